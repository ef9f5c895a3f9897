/** When keys are deleted again that a write may still change, counted from one to the next. */
const soonMs = [1000, 3000, 9000]
// A server may hold a commit back for minutes, such as while it waits for a replica.
const repeatsMs = [...soonMs, 27_000, 81_000, 243_000]

interface RepeatOptions {
  some: (keys: readonly string[]) => void
  all: () => void
  /** Keys that are remembered. */
  maxKeys: number
}

/** Does `some` again, some times, ever later; past `maxKeys` keys, `all` for those that come then. */
export function repeats({ some, all, maxKeys }: RepeatOptions) {
  const runs = new Set<Run>()
  let pending = 0
  let whole: Run | undefined

  function begin(keys: readonly string[]): void {
    pending += keys.length
    const run = repeated(
      () => some(keys),
      () => {
        pending -= keys.length
        runs.delete(run)
      },
    )
    runs.add(run)
  }

  function beginAll(): void {
    // Those that are to come soon serve this write, too.
    if (whole && whole.left() > repeatsMs.length - soonMs.length) return
    whole?.stop()
    whole = repeated(all)
  }

  return {
    begin: (keys: readonly string[]) =>
      pending + keys.length > maxKeys ? beginAll() : begin(keys),
    stop(): void {
      whole?.stop()
      for (const run of runs) run.stop()
    },
  }
}

type Run = ReturnType<typeof repeated>

function repeated(work: () => void, ended: () => void = () => undefined) {
  let done = 0
  let timer: NodeJS.Timeout | undefined

  function next(): void {
    const delayMs = repeatsMs[done]
    if (delayMs === undefined) return ended()
    timer = setTimeout(() => {
      done += 1
      work()
      next()
    }, delayMs).unref()
  }
  next()
  return { left: () => repeatsMs.length - done, stop: () => clearTimeout(timer) }
}
