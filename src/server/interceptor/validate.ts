import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { pathToString } from '@bufbuild/protobuf/reflect'
import { createValidator } from '@bufbuild/protovalidate'
import type { Interceptor } from '@connectrpc/connect'
import { invalidUserInput } from '../../biz/error.ts'
import { malformedText } from './malformed-text.ts'

/** Refuses messages that break the buf.validate rules of the proto, naming every offending field. */
export function validate(): Interceptor {
  const validator = createValidator()

  function check<Desc extends DescMessage>(desc: Desc, message: MessageShape<Desc>): void {
    const text = malformedText(desc, message)
    const result = validator.validate(desc, message)
    if (result.kind === 'error') throw result.error
    const rules = (result.violations ?? []).map(({ field, message: rule }) => ({
      field: pathToString(field),
      rule,
    }))
    if (text.length + rules.length > 0) throw invalidUserInput([...text, ...rules])
  }

  async function* checked<Desc extends DescMessage>(
    desc: Desc,
    messages: AsyncIterable<MessageShape<Desc>>,
  ) {
    for await (const message of messages) {
      check(desc, message)
      yield message
    }
  }

  return (next) =>
    async function validate(req) {
      if (req.stream) return next({ ...req, message: checked(req.method.input, req.message) })
      check(req.method.input, req.message)
      return next(req)
    }
}
