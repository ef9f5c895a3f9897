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
  return { ...reader.read(documents), documents, notes: [] }
}

/** The last good copy stands in for a source that is away, and for documents that are refused. */
export const lenient: Start = async (reader, sources, { timeout, cacheFile }) => {
  const copy = configCache(cacheFile).read()
  const copyOf = (source: SourceName) => copy[originOf(source)] ?? undefined
  const instead = (source: SourceName) =>
    copyOf(source) === undefined ? 'there is no copy of it' : 'its last good copy is used'
  const answers = await readAll(sources, durationMs(timeout))
  const notes = answers.flatMap(({ source, problem }) =>
    problem === undefined ? [] : [`${originOf(source)}: ${problem}; ${instead(source)}`],
  )
  const attempts: Documents[] = [
    new Map(
      answers.map(({ source, text, problem }) => [
        source,
        problem === undefined ? text : copyOf(source),
      ]),
    ),
    new Map(sources.map((source) => [source, copyOf(source)])),
    new Map(sources.map((source) => [source, undefined])),
  ]
  for (const documents of attempts.slice(0, -1)) {
    try {
      return { ...reader.read(documents), documents, notes }
    } catch (err) {
      if (!(err instanceof ConfError)) throw err
      notes.push(...err.problems)
    }
  }
  const none = attempts.at(-1) ?? new Map<SourceName, undefined>()
  return { ...reader.read(none), documents: none, notes }
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
