import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../../conf/conf.ts'
import { changesOf, type LiveConf } from '../../conf/live.ts'
import { type ConfigSource, documentOf } from '../../fleet/config-source.ts'
import { messageOf } from '../../fleet/discovery.ts'
import { fileSource } from '../../fleet/file-source.ts'
import { aborted, keep } from '../../fleet/keep.ts'
import type { SpanRef } from '../../telemetry/trace/tracing.ts'
import type { Watch } from '../watch.ts'
import { configCache } from './cache.ts'
import type { OpenedConfig } from './open.ts'
import { configReport } from './report.ts'
import { originOf, type SourceName } from './sources.ts'

interface Followed {
  opened: OpenedConfig
  live: LiveConf
  watch: Pick<Watch, 'log' | 'rootSpan'>
}

/** The sources of settings while the service runs, as followConfig makes it. */
export type ConfigFollowing = ReturnType<typeof followConfig>

const maxPauseMs = 15_000

/** Applies the changes of the file and of the sources until it is closed. */
export function followConfig({ opened, live, watch }: Followed) {
  const { reader, notes } = opened
  const { config } = live.current()
  const file = fileSource(reader.path, durationMs(config.poll))
  const sources = [file, ...opened.sources]
  const followed = config.watchFile ? sources : opened.sources
  const closing = new AbortController()
  const report = configReport(watch.log, sources, live)
  const applied = applying({ opened, live, watch }, report)
  applied.known(file, reader.text)
  for (const note of notes) watch.log.warn({ problem: note }, `at the start: ${note}`)
  applied.keepCopy()
  const loops = followed.map((source) => followSource(source, closing.signal))
  let reading = Promise.resolve()

  async function readFile(): Promise<void> {
    if (closing.signal.aborted) return
    try {
      const text = await documentOf(file, durationMs(config.timeout))
      report.present(file)
      applied.take(file, text, undefined)
    } catch (err) {
      report.away(file, messageOf(err))
    }
  }

  async function followSource(source: ConfigSource, signal: AbortSignal): Promise<void> {
    const first = Promise.withResolvers<void>()
    let link: SpanRef | undefined
    const span = {
      name: 'config.watch',
      facts: factsOf(source),
      event: 'config read',
      internal: true,
    }
    const watching = watch.rootSpan(span, async (ref) => {
      link = ref
      await Promise.race([first.promise, aborted(signal)])
    })
    await keep({
      signal,
      maxPauseMs,
      attempt: (held) =>
        source.follow(signal, (text) => {
          held()
          first.resolve()
          report.present(source)
          applied.take(source, text, link)
        }),
      failed: (err) => report.away(source, messageOf(err)),
    })
    await watching
  }

  return {
    /** For the metrics. */
    state: report.state,
    /** Reads the file now, also where its changes are not followed. */
    readAgain: () => (reading = reading.then(readFile)),
    async close(): Promise<void> {
      closing.abort()
      await Promise.all([...loops, reading])
      for (const source of sources) source.close()
    },
  }
}

function factsOf(source: SourceName) {
  return { 'config.source': source.kind, 'config.key': source.key }
}

/** A document as its source told it. */
interface Told {
  text: string | undefined
  /** The span of its source. */
  link: SpanRef | undefined
  /** Why it was refused. */
  problem?: string
}

/** Takes documents, one after the other, each as a whole or not at all. */
function applying({ opened, live, watch }: Followed, report: ReturnType<typeof configReport>) {
  const { reader } = opened
  const documents = new Map(opened.documents)
  const read = new Set(opened.read)
  const refused = new Map<SourceName, Told>()
  const cache = configCache(live.current().config.cacheFile)

  /** What no source has told since the start stays as it is in the copy. */
  function keepCopy(): void {
    const told = opened.sources.filter((each) => read.has(each))
    if (told.length === 0) return
    const fresh = new Map(told.map((each) => [originOf(each), documents.get(each)]))
    try {
      cache.write(merged(opened.sources.map(originOf), fresh, cache.read()))
    } catch (err) {
      report.noCopy(messageOf(err))
    }
  }

  async function update(source: SourceName, told: Told): Promise<void> {
    const next = attempt(() => reader.read(new Map(documents).set(source, told.text)).conf)
    if ('error' in next && messageOf(next.error) === told.problem) return
    const facts: Record<string, string> = factsOf(source)
    if ('value' in next) facts['config.changed'] = changedPaths(live.current(), next.value)
    const { link } = told
    const span = { name: 'config.update', facts, event: 'config updated', internal: true, link }
    try {
      await watch.rootSpan(span, async () => enact(source, told, next))
      keepCopy()
      retryRefused()
    } catch (err) {
      report.refused(source, err)
    }
  }

  function enact(source: SourceName, { text, link }: Told, next: Attempted<Conf>): void {
    try {
      if ('error' in next) throw next.error
      documents.set(source, text)
      read.add(source)
      report.taken(source, live.take(next.value))
      refused.delete(source)
    } catch (err) {
      refused.set(source, { text, link, problem: messageOf(err) })
      throw err
    }
  }

  /** A document may be good beside the one just taken. It ends: each one taken leaves fewer to try. */
  function retryRefused(): void {
    for (const [source, told] of refused) void update(source, told)
  }

  return {
    /** Says what is in force already. */
    known: (source: SourceName, text: string) => void documents.set(source, text),
    keepCopy,
    take(source: SourceName, text: string | undefined, link: SpanRef | undefined): void {
      const before = refused.get(source)
      if (before && before.text === text) return
      refused.delete(source)
      if (documents.get(source) !== text) return void update(source, { text, link })
      if (before) report.restored(source)
      read.add(source)
      keepCopy()
    },
  }
}

/** The texts of `origins` that are fresh, or else those of before. */
function merged(
  origins: readonly string[],
  fresh: ReadonlyMap<string, string | undefined>,
  before: Record<string, string | null>,
): Record<string, string | null> {
  const entryOf = (origin: string) => (fresh.has(origin) ? fresh.get(origin) : before[origin])
  return Object.fromEntries(origins.map((origin) => [origin, entryOf(origin) ?? null]))
}

function changedPaths(before: Conf, after: Conf): string {
  return changesOf(before, after)
    .map(({ path }) => path)
    .join()
}

type Attempted<T> = { value: T } | { error: unknown }

function attempt<T>(work: () => T): Attempted<T> {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}
