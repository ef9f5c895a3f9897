import { type Exporter, PartialSuccess, withPartialSuccess } from '../../otlp/partial-success.ts'
import { reasonOf } from '../../otlp/reason.ts'

/** How spans and log records are exported. */
export interface BatchSettings {
  /** Items of one export. */
  maxSize: number
  /** How long the first item of a batch waits for others. */
  delayMs: number
  /** Items that may wait. */
  queue: number
  /** Of one export. */
  timeoutMs: number
}

/** Where items wait until they are exported. */
export interface Backlog<T, Batch> {
  add(item: T): void
  /** How many wait. */
  size: () => number
  /** Takes out the items of one export, the oldest first. */
  take: () => Batch
}

/** Items that wait as they are. */
function listBacklog<T>(maxSize: number): Backlog<T, T[]> {
  const waiting: T[] = []
  return {
    add: (item) => void waiting.push(item),
    size: () => waiting.length,
    take: () => waiting.splice(0, maxSize),
  }
}

/** The functions that a queue calls. */
export interface ExportEvents {
  /** An export has failed, and it is the first, or the one before it had succeeded. */
  failing: (reason: string) => void
  /** The exports succeed again; so many items are lost in all. */
  resumed: (dropped: number) => void
  /** Calls `work` outside of the request that has ended a span, to which an export does not belong. */
  detached: <T>(work: () => T) => T
}

/** `batchQueue` for items that wait, and are exported, as they are. */
export function exportQueue<T>(
  exporter: Exporter<T[]>,
  settings: BatchSettings,
  events: ExportEvents,
) {
  return batchQueue(exporter, settings, events, listBacklog<T>(settings.maxSize))
}

/**
 * Collects ended spans, or log records, and exports them in batches, one export at a time. Items above
 * the capacity of the queue, and those of a failed export, are dropped and counted. OpenTelemetry's own
 * processor does the same without telling how many it has dropped.
 */
export function batchQueue<T, Batch extends { length: number }>(
  exporter: Exporter<Batch>,
  { maxSize, delayMs, queue: capacity, timeoutMs }: BatchSettings,
  events: ExportEvents,
  waiting: Backlog<T, Batch>,
) {
  const sender = batchSender(withPartialSuccess(exporter), timeoutMs, events)
  const { dropped } = sender
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined

  function add(item: T): void {
    if (stopped || waiting.size() >= capacity) {
      dropped.queue += 1
      return
    }
    waiting.add(item)
    if (running) return
    if (waiting.size() >= maxSize) events.detached(run)
    else timer ??= events.detached(runLater)
  }

  function run(): void {
    clearTimeout(timer)
    timer = undefined
    running ??= exportAll().finally(() => {
      running = undefined
    })
  }

  const runLater = () => setTimeout(run, delayMs).unref()

  /** Exports everything that waits. Items that come meanwhile wait for a batch of their own. */
  async function exportAll(): Promise<void> {
    do await sender.send(waiting.take())
    while (waiting.size() >= maxSize)
    if (waiting.size() > 0 && !stopped) timer ??= runLater()
  }

  async function flush(): Promise<void> {
    while (waiting.size() > 0 || running) {
      run()
      await running
    }
  }

  return {
    add,
    flush,
    /** Exports the items that wait, for at most so long; the others are dropped and counted. */
    async stop(limitMs: number): Promise<void> {
      stopped = true
      await atMost(limitMs, flush())
      while (waiting.size() > 0) dropped.export += waiting.take().length
    },
    /** Items that have arrived, that are lost by cause, and that wait or are being exported. */
    counts: () => ({
      exported: sender.exported(),
      dropped: { ...dropped },
      waiting: waiting.size() + sender.inFlight(),
    }),
  }
}

/** Waits for `work`, but not for longer. */
async function atMost(limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, limitMs)
  await Promise.race([work, promise])
  clearTimeout(timer)
}

/** Exports batches, counts the items that arrive and those that do not, and tells when that changes. */
function batchSender<Batch extends { length: number }>(
  exporter: Exporter<Batch>,
  timeoutMs: number,
  events: Pick<ExportEvents, 'failing' | 'resumed'>,
) {
  const dropped = { queue: 0, export: 0 }
  let exported = 0
  let inFlight = 0
  let failing = false

  async function send(batch: Batch): Promise<void> {
    if (batch.length === 0) return
    inFlight = batch.length
    const { problem, lost } = await outcome(exporter, batch, timeoutMs)
    inFlight = 0
    exported += batch.length - lost
    dropped.export += lost
    if (failing === (problem !== '')) return
    failing = problem !== ''
    if (failing) events.failing(problem)
    else events.resumed(dropped.queue + dropped.export)
  }

  return { send, dropped, exported: () => exported, inFlight: () => inFlight }
}

/** How an export has ended. */
interface Outcome {
  /** Empty when all of it has arrived, else the reason why not. */
  problem: string
  /** Items that have not arrived. */
  lost: number
}

/** Exports a batch. */
async function outcome<Batch extends { length: number }>(
  exporter: Exporter<Batch>,
  batch: Batch,
  timeoutMs: number,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  const failed = (problem: string, lost = batch.length) => ({ problem, lost })
  const timer = setTimeout(() => resolve(failed(`no answer within ${timeoutMs} ms`)), timeoutMs)
  try {
    // 0 is success.
    exporter.export(batch, ({ code, error }) => {
      if (error instanceof PartialSuccess)
        resolve(failed(error.message, Math.min(error.rejected, batch.length)))
      else resolve(error === undefined && !code ? failed('', 0) : failed(reasonOf(error)))
    })
    return await promise
  } catch (err) {
    return failed(reasonOf(err))
  } finally {
    clearTimeout(timer)
  }
}
