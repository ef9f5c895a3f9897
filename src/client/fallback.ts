import type { DescMessage, DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf'
import {
  type CallOptions,
  type ConnectError,
  type ContextValues,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect'

type Answer = (error: ConnectError) => MessageInitShape<DescMessage>

const fallbackKey = createContextKey<Answer | undefined>(undefined, { description: 'fallback' })

/** The fallback that a caller has given a call. */
export function fallbackOf(values: ContextValues | undefined): Answer | undefined {
  return values?.get(fallbackKey)
}

/**
 * Options of one call that is to be answered by `answer` where it fails: `answer` gets the error, and
 * throws it where it has nothing better.
 */
export function fallback<I extends DescMessage, O extends DescMessage>(
  _method: DescMethodUnary<I, O>,
  answer: (error: ConnectError) => MessageInitShape<O>,
  values: ContextValues = createContextValues(),
): Pick<CallOptions, 'contextValues'> {
  return { contextValues: values.set(fallbackKey, answer) }
}
