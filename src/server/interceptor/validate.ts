import type { DescService } from '@bufbuild/protobuf'
import { createValidator } from '@bufbuild/protovalidate'
import type { Interceptor, StreamRequest } from '@connectrpc/connect'
import { type FieldViolation, invalidInput } from '../../biz/error.ts'
import type { Reason } from '../../call/refusal.ts'
import { checkedFields, messageRules } from './violations.ts'

/** Makes the error of a message with these invalid fields. */
export type InvalidMessage = (violations: readonly FieldViolation[]) => Error

/** The maker of the errors of a service; undefined if the service declares no reason of its own. */
export type InvalidOf = (service: DescService) => InvalidMessage | undefined

/** For services that declare no reason of their own. */
const invalidArgument: InvalidMessage = (violations) =>
  invalidInput<Reason>('INVALID_ARGUMENT', violations)

/**
 * Refuses messages that break the buf.validate rules of the proto. The error comes from the maker
 * that `invalidOf` gives for the service; without one, its reason is INVALID_ARGUMENT.
 */
export function validate(
  invalidOf: InvalidOf,
  violations = messageRules(createValidator()),
): Interceptor {
  const invalid = (service: DescService, broken: readonly FieldViolation[]) =>
    (invalidOf(service) ?? invalidArgument)(broken)

  async function* checked({ service, method: { input }, message: messages }: StreamRequest) {
    const fields = checkedFields(input)
    for await (const message of messages) {
      const broken = violations(input, message, fields)
      if (broken.length > 0) throw invalid(service, broken)
      yield message
    }
  }

  return (next) =>
    function validate(req) {
      if (req.stream) return next({ ...req, message: checked(req) })
      const broken = violations(req.method.input, req.message)
      return broken.length > 0 ? Promise.reject(invalid(req.service, broken)) : next(req)
    }
}
