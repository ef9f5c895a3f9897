import type { Context } from '@opentelemetry/api'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace'
import { attachment } from '../../../memory/attachment.ts'
import type { Ended, Held } from '../span/recorded-span.ts'
import { heldKey } from '../tail-sampling.ts'

/** Gives spans of the SDK that have ended, with the holder of the request where that is held back. */
export function spanProcessor(give: (span: Ended, held: Held | undefined) => void): SpanProcessor {
  const heldBy = attachment<ReadableSpan, Held>('held')
  return {
    onStart(span, parent: Context) {
      const held = parent.getValue(heldKey) as Held | undefined
      if (held) heldBy.attach(span, held)
    },
    onEnd(span) {
      give(span, heldBy.of(span))
    },
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  }
}
