import type { Context } from '@opentelemetry/api'
import type { LogRecordProcessor, ReadableLogRecord } from '@opentelemetry/sdk-logs'
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace'
import { attachment } from '../../../memory/attachment.ts'
import { type Held, heldKey } from '../tail-sampling.ts'
import type { ExportQueue } from './export-queue.ts'

/** Passes ended spans to the queue, but those of a request that is held back to its holder. */
export function spanProcessor(
  queue: Pick<ExportQueue<ReadableSpan>, 'add' | 'flush'>,
): SpanProcessor {
  const heldBy = attachment<ReadableSpan, Held>('held')
  return {
    onStart(span, parent: Context) {
      const held = parent.getValue(heldKey) as Held | undefined
      if (held) heldBy.attach(span, held)
    },
    onEnd(span) {
      const held = heldBy.of(span)
      if (held) held.add(span)
      else queue.add(span)
    },
    forceFlush: queue.flush,
    shutdown: async () => undefined,
  }
}

/** Passes log records to the queue. */
export function logProcessor(queue: ExportQueue<ReadableLogRecord>): LogRecordProcessor {
  return {
    onEmit: queue.add,
    forceFlush: queue.flush,
    shutdown: async () => undefined,
  }
}
