import type { NamedConf } from '../../conf/conf.ts'
import type { SourceName } from './sources.ts'

/** The text of each source's document; undefined where it has none. */
export type Documents = ReadonlyMap<SourceName, string | undefined>

/** Reads the configuration from its file and from documents over it. */
export interface ConfigReader {
  /** The file. */
  path: string
  /** Its text at the start. */
  text: string
  /** Throws a ConfError that names each problem. The document of a source of kind `file` replaces the file's text. */
  read: (documents: Documents) => NamedConf
}
