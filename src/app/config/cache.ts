import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isObject } from '../../text/json-object.ts'

/** The texts of documents by the origins of their sources; null where there was none. */
type Copy = Record<string, string | null>

/** Keeps a copy of the last good documents in a file, which only the process's user can read. */
export function configCache(path: string) {
  let known = ''
  return {
    /** The copy; empty where there is none that can be read. */
    read(): Copy {
      if (path === '') return {}
      try {
        const read: unknown = JSON.parse(readFileSync(path, 'utf8'))
        return isObject(read) ? (read as Copy) : {}
      } catch {
        return {}
      }
    },
    /** Replaces the copy as a whole. Throws where the file cannot be written. */
    write(copy: Copy): void {
      const text = JSON.stringify(copy)
      if (path === '' || text === known) return
      const fresh = `${path}.new`
      writeFileSync(fresh, text, { mode: 0o600 })
      renameSync(fresh, path)
      known = text
    },
  }
}
