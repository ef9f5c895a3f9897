import { readFileSync, statSync } from 'node:fs'

/** How often a file is looked at, at most. */
const lookMs = 1000

/** What becomes of a file while it is used. */
interface Told<T> {
  renewed(content: T): void
  /** The file cannot be used; what it had before stays in force. */
  failed(err: Error): void
}

/** Gives the content of a file, which is read again when the file has changed. Throws if it cannot be used. */
export function rereadFile<T>(file: string, parse: (text: string) => T, told: Told<T>): () => T {
  let version = versionOf(file)
  let content = parse(readFileSync(file, 'utf8'))
  let lookedAt = performance.now()

  function renew(): void {
    const found = versionOf(file)
    if (found === version) return
    version = found
    content = parse(readFileSync(file, 'utf8'))
    told.renewed(content)
  }

  return function current() {
    const now = performance.now()
    if (now - lookedAt < lookMs) return content
    lookedAt = now
    try {
      renew()
    } catch (err) {
      told.failed(err as Error)
    }
    return content
  }
}

/** Changes with the file: mounted Secrets are replaced by others, whose times may be equal. */
function versionOf(file: string): string {
  const { ino, mtimeMs } = statSync(file)
  return `${ino} ${mtimeMs}`
}
