import type { UnaryResponse } from '@connectrpc/connect'
import { canceled } from './parts.ts'

type Work = (signal: AbortSignal) => Promise<UnaryResponse>

interface Lanes {
  first: Work
  second: Work
  /** Asked when the time has come, and again after the same time. */
  mayBegin: () => boolean
  /** Whether an error is an answer as good as another one. */
  isAnswer: (err: unknown) => boolean
}

/**
 * Begins `second` beside `first` if that takes longer than `afterMs`. Gives the first answer and aborts
 * the other; fails by the first error that is an answer, or if all that have begun fail.
 */
export async function firstOf(
  { signal }: { signal: AbortSignal | undefined },
  afterMs: number,
  { first, second, mayBegin, isAnswer }: Lanes,
): Promise<UnaryResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<UnaryResponse>()
  const open = new Set<AbortController>()

  function start(work: Work): void {
    const lane = new AbortController()
    open.add(lane)
    work(lane.signal).then(
      (answer) => {
        open.delete(lane)
        resolve(answer)
      },
      (err: unknown) => {
        open.delete(lane)
        if (open.size === 0 || isAnswer(err)) reject(err)
      },
    )
  }

  function abortAll(): void {
    for (const lane of open) lane.abort(signal?.aborted ? signal.reason : canceled())
  }

  // Asked again where it may not begin: the budget grows with the calls that succeed meanwhile.
  const timer = setInterval(() => {
    if (!mayBegin()) return
    clearInterval(timer)
    start(second)
  }, afterMs)
  signal?.addEventListener('abort', abortAll, { once: true })
  start(first)
  if (signal?.aborted) abortAll()
  try {
    return await promise
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abortAll)
    abortAll()
  }
}
