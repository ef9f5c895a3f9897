import type { NamedConf } from '../../conf/conf.ts'
import type { ConfigSource } from '../../fleet/config-source.ts'
import type { ConfigReader, Documents } from './reader.ts'
import { openSources, type SourceName } from './sources.ts'

/** The configuration of the start, as openConfig makes it. */
export interface OpenedConfig extends NamedConf {
  reader: ConfigReader
  sources: readonly ConfigSource[]
  /** The documents that are part of it. */
  documents: Documents
  /** The sources that told theirs; those of others are from the copy, or missing. */
  read: ReadonlySet<SourceName>
  /** What the log is to say when there is one. */
  notes: readonly string[]
}

/** Reads the file, then the documents of the sources that it names. */
export async function openConfig(reader: ConfigReader): Promise<OpenedConfig> {
  const base = reader.read(new Map())
  const { config } = base.conf
  if (config.sources === '')
    return { ...base, reader, sources: [], documents: new Map(), read: new Set(), notes: [] }
  const [sources, { strict, lenient }] = await Promise.all([
    openSources(base.conf),
    import('./first-documents.ts'),
  ])
  try {
    const started = config.whenUnreachable === 'fail' ? strict : lenient
    return { reader, sources, ...(await started(reader, sources, config)) }
  } catch (err) {
    for (const source of sources) source.close()
    throw err
  }
}
