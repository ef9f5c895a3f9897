import { durationMs } from '@bufbuild/protobuf/wkt'
import type { NamedConf } from '../../conf/conf.ts'
import { ConfError, SettingError } from '../../conf/error.ts'
import { type ConfigSource, documentOf } from '../../fleet/config-source.ts'
import { messageOf } from '../../fleet/discovery.ts'
import { configCache } from './cache.ts'
import type { ConfigReader, Documents } from './reader.ts'
import { originOf, type SourceName } from './sources.ts'

interface Started extends NamedConf {
  documents: Documents
  read: ReadonlySet<SourceName>
  notes: readonly string[]
}
type Start = (
  reader: ConfigReader,
  sources: readonly ConfigSource[],
  config: NamedConf['conf']['config'],
) => Promise<Started>

/** Each source has to answer, and each document has to be good. */
export const strict: Start = async (reader, sources, { timeout }) => {
  const documents = new Map<SourceName, string | undefined>()
  for (const { source, text, problem } of await readAll(sources, durationMs(timeout))) {
    if (problem !== undefined)
      throw new SettingError('config.sources', `${originOf(source)} cannot be read: ${problem}`)
    documents.set(source, text)
  }
  return { ...reader.read(documents), documents, read: new Set(sources), notes: [] }
}

/** The last good copy stands in for a source that is away, and for documents that are refused. */
export const lenient: Start = async (reader, sources, { timeout, cacheFile }) => {
  const copy = configCache(cacheFile).read()
  const copyOf = (source: SourceName) => copy[originOf(source)] ?? undefined
  const answers = await readAll(sources, durationMs(timeout))
  const present = answers.filter(({ problem }) => problem === undefined)
  const copies = new Map(sources.map((source) => [source, copyOf(source)]))
  const asRead = new Map([...copies, ...present.map(({ source, text }) => [source, text] as const)])
  const none = new Map(sources.map((source) => [source, undefined]))
  const { problems, ...first } = firstGood(reader, [asRead, copies], none)

  function instead(source: SourceName): string {
    if (copyOf(source) === undefined) return 'there is no copy of it'
    return first.documents === none
      ? 'its last good copy cannot be used'
      : 'its last good copy is used'
  }
  const away = answers.flatMap(({ source, problem }) =>
    problem === undefined ? [] : [`${originOf(source)}: ${problem}; ${instead(source)}`],
  )
  const read = new Set(first.documents === asRead ? present.map(({ source }) => source) : [])
  return { ...first, read, notes: [...away, ...new Set(problems)] }
}

/** Reads the first documents that are good, or the last ones, and tells the problems of those before. */
function firstGood(reader: ConfigReader, attempts: readonly Documents[], last: Documents) {
  const problems: string[] = []
  for (const documents of attempts) {
    try {
      return { ...reader.read(documents), documents, problems }
    } catch (err) {
      if (!(err instanceof ConfError)) throw err
      problems.push(...err.problems)
    }
  }
  return { ...reader.read(last), documents: last, problems }
}

function readAll(sources: readonly ConfigSource[], timeoutMs: number) {
  return Promise.all(
    sources.map(async (source) => {
      try {
        return { source, text: await documentOf(source, timeoutMs), problem: undefined }
      } catch (err) {
        return { source, text: undefined, problem: messageOf(err) }
      }
    }),
  )
}
