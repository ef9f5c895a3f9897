import { createContextKey } from '@opentelemetry/api'
import type { Ended, Held } from './span/recorded-span.ts'

/** In OpenTelemetry's context of a span that is held back: its `Held`. */
export const heldKey = createContextKey('user-service held spans')

/**
 * Tail sampling: holds spans back, at most `maxSpans` of all requests together, and gives those that are
 * kept to `pass`. A request that would exceed the limit is dropped whole: part of a tree would mislead.
 */
export function holding(maxSpans: number, pass: (span: Ended) => void) {
  let waiting = 0
  let forgotten = 0

  function hold(): Held {
    let state: 'open' | 'kept' | 'dropped' = 'open'
    let spans: Ended[] = []
    function close(as: 'kept' | 'dropped'): Ended[] {
      const held = spans
      state = as
      spans = []
      waiting -= held.length
      return held
    }
    return {
      add(span) {
        // A span that ends after its request follows the decision for it.
        if (state === 'kept') return pass(span)
        if (state === 'dropped') return
        if (waiting < maxSpans) {
          waiting += 1
          spans.push(span)
        } else forgotten += close('dropped').length + 1
      },
      settle(keep) {
        if (state === 'open')
          for (const span of close(keep ? 'kept' : 'dropped')) if (keep) pass(span)
      },
      isSettled: () => state !== 'open',
    }
  }

  return {
    hold,
    /** How many spans are held. */
    get waiting() {
      return waiting
    },
    /** How many spans were dropped because too many were held. */
    get forgotten() {
      return forgotten
    },
  }
}
