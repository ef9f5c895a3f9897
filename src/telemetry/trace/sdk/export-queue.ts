import type { Resource } from '@opentelemetry/resources'

export interface BatchSettings {
  maxSize: number
  delayMs: number
  queue: number
  timeoutMs: number
}

/** A span or a log record. */
interface Item {
  resource: Resource
}

/** What the exporters of OpenTelemetry for spans and for log records have in common. */
interface Exporter<T> {
  export(items: T[], done: (result: { code: number; error?: Error }) => void): void
}

export interface ExportEvents {
  /** An export has failed, and it is the first or the last one before it had succeeded. */
  failing: (reason: string) => void
  /** The exports succeed again; so many spans are lost in all. */
  resumed: (dropped: number) => void
  /** Calls `work` outside of the request that has ended a span, to which an export does not belong. */
  detached: <T>(work: () => T) => T
}

export type ExportQueue<T extends Item> = ReturnType<typeof exportQueue<T>>

/**
 * Collects ended spans, or log records, and exports them in batches, one export at a time. What does not fit into the
 * queue, and what an export could not deliver, is dropped and counted. OpenTelemetry's own processor
 * does the same without telling how much it has dropped.
 */
export function exportQueue<T extends Item>(
  exporter: Exporter<T>,
  settings: BatchSettings,
  { failing: tellFailing, resumed: tellResumed, detached }: ExportEvents,
) {
  const { maxSize, delayMs, queue: capacity, timeoutMs } = settings
  const waiting: T[] = []
  const dropped = { queue: 0, export: 0 }
  let exported = 0
  let inFlight = 0
  let failing = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  function add(item: T): void {
    if (stopped || waiting.length >= capacity) {
      dropped.queue += 1
      return
    }
    waiting.push(item)
    if (running) return
    if (waiting.length >= maxSize) detached(run)
    else timer ??= detached(() => setTimeout(run, delayMs).unref())
  }

  function run(): void {
    clearTimeout(timer)
    timer = undefined
    running ??= exportAll().finally(() => {
      running = undefined
    })
  }

  /** Everything that waits now; what comes meanwhile waits for its own batch unless that is full. */
  async function exportAll(): Promise<void> {
    do await exportBatch(waiting.splice(0, maxSize))
    while (waiting.length >= maxSize)
    if (waiting.length > 0 && !stopped) timer ??= setTimeout(run, delayMs).unref()
  }

  async function exportBatch(batch: T[]): Promise<void> {
    if (batch.length === 0) return
    inFlight = batch.length
    const problem = await outcome(exporter, batch, timeoutMs)
    inFlight = 0
    if (problem === '') exported += batch.length
    else dropped.export += batch.length
    if (failing === (problem !== '')) return
    failing = problem !== ''
    if (failing) tellFailing(problem)
    else tellResumed(dropped.queue + dropped.export)
  }

  async function flush(): Promise<void> {
    while (waiting.length > 0 || running) {
      run()
      await running
    }
  }

  return {
    add,
    /** Exports what waits, for at most so long; the rest is dropped and counted. */
    async stop(limitMs: number): Promise<void> {
      stopped = true
      const limit = Promise.withResolvers<void>()
      const timer = setTimeout(limit.resolve, limitMs)
      await Promise.race([flush(), limit.promise])
      clearTimeout(timer)
      dropped.export += waiting.splice(0).length
    },
    flush,
    get exported() {
      return exported
    },
    get dropped() {
      return { ...dropped }
    },
    get waiting() {
      return waiting.length + inFlight
    },
  }
}

/** Empty when the batch has arrived, else why not. */
async function outcome<T extends Item>(
  exporter: Exporter<T>,
  batch: T[],
  timeoutMs: number,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(() => resolve(`no answer within ${timeoutMs} ms`), timeoutMs)
  try {
    // The host id, for instance, is read from a file.
    const described = batch[0]?.resource.waitForAsyncAttributes?.()
    await Promise.race([described, promise])
    // 0 is success.
    exporter.export(batch, ({ code, error }) =>
      resolve(error === undefined && !code ? '' : reason(error)),
    )
    return await promise
  } catch (err) {
    return reason(err)
  } finally {
    clearTimeout(timer)
  }
}

/** Some errors of connections have no message of their own, but those of each address they tried. */
function reason(err: unknown): string {
  if (err instanceof AggregateError && err.message === '')
    return err.errors.map(String).join(', ') || err.name
  return (err instanceof Error && err.message) || 'the export failed'
}
