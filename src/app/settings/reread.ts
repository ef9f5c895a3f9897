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
  let failure = ''

  function renew(): void {
    const found = versionOf(file)
    if (found === version) return
    const text = readFileSync(file, 'utf8')
    if (text === '') throw new Error('it is empty, as a file is that is being written')
    content = parse(text)
    version = found
    failure = ''
    told.renewed(content)
  }

  /** What cannot be used is looked at again, and told once. */
  function tell(err: Error): void {
    if (err.message !== failure) told.failed(err)
    failure = err.message
  }

  return function current() {
    const now = performance.now()
    if (now - lookedAt < lookMs) return content
    lookedAt = now
    try {
      renew()
    } catch (err) {
      tell(err as Error)
    }
    return content
  }
}

/** Changes with the file and its permissions: mounted Secrets are replaced by others, whose times may be equal. */
function versionOf(file: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statSync(file)
  return `${ino} ${size} ${mtimeMs} ${ctimeMs}`
}
