import type { DescMessage, DescService, MessageShape } from '@bufbuild/protobuf'
import { pathToString } from '@bufbuild/protobuf/reflect'
import { createValidator } from '@bufbuild/protovalidate'
import type { Interceptor } from '@connectrpc/connect'
import { type FieldViolation, invalidInput } from '../../biz/error.ts'
import type { Reason } from '../../call/refusal.ts'
import { malformedText } from './malformed-text.ts'

/** Makes the error that refuses a message for these fields. */
export type InvalidMessage = (violations: readonly FieldViolation[]) => Error

/** How a service refuses; undefined where it declares no reason of its own. */
export type InvalidOf = (service: DescService) => InvalidMessage | undefined

/** For services that declare no reason of their own. */
const invalidArgument: InvalidMessage = (violations) =>
  invalidInput<Reason>('INVALID_ARGUMENT', violations)

/**
 * Refuses messages that break the buf.validate rules of the proto, naming every offending field, with
 * the reason that `invalidOf` gives their service, else INVALID_ARGUMENT.
 */
export function validate(invalidOf: InvalidOf): Interceptor {
  const validator = createValidator()

  function check<Desc extends DescMessage>(
    invalid: InvalidMessage,
    desc: Desc,
    message: MessageShape<Desc>,
  ): void {
    const text = malformedText(desc, message)
    const result = validator.validate(desc, message)
    if (result.kind === 'error') throw result.error
    const rules = (result.violations ?? []).map(({ field, message: rule }) => ({
      field: pathToString(field),
      rule,
    }))
    if (text.length + rules.length > 0) throw invalid([...text, ...rules])
  }

  async function* checked<Desc extends DescMessage>(
    invalid: InvalidMessage,
    desc: Desc,
    messages: AsyncIterable<MessageShape<Desc>>,
  ) {
    for await (const message of messages) {
      check(invalid, desc, message)
      yield message
    }
  }

  return (next) =>
    async function validate(req) {
      const invalid = invalidOf(req.service) ?? invalidArgument
      const { input } = req.method
      if (req.stream) return next({ ...req, message: checked(invalid, input, req.message) })
      check(invalid, input, req.message)
      return next(req)
    }
}
