import { statSync } from 'node:fs'
import { DomainError } from '../../biz/error.ts'
import { databaseUnavailable } from '../error.ts'
import { sqliteError } from './error.ts'

const probeMs = 1_000

interface Watched {
  path: string
  /** Writes to the file; fails where that is not possible. */
  probe: () => Promise<void>
  /** Told when the file becomes unusable, or so for another reason; empty when it is usable again. */
  changed: (problem: string) => void
}

/**
 * Knows whether the file of a database can be used. A call that finds out that it cannot be starts a
 * probe, which goes on until a write succeeds: a read may succeed on a full disk.
 */
export function fileAvailability({ path, probe, changed }: Watched) {
  const opened = inode(path)
  let problem = ''
  let timer: NodeJS.Timeout | undefined

  function tell(found: string): void {
    if (found === problem) return
    problem = found
    changed(found)
    if (found === '') clearInterval(timer)
    else timer ??= setInterval(() => void ask(), probeMs).unref()
    if (found === '') timer = undefined
  }

  /** Fails where the path leads to another file than the one that is open, whose writes are lost. */
  function check(): void {
    if (inode(path) !== opened)
      throw databaseUnavailable(
        new Error('the file is deleted or replaced; put it back, or start the service again'),
      )
  }

  async function ask(): Promise<void> {
    try {
      check()
      await probe()
      tell('')
    } catch (err) {
      failed(err)
    }
  }

  /** Gives the error that leaves the storage. */
  function failed(err: unknown): unknown {
    const known = sqliteError(err)
    if (known instanceof DomainError && known.reason === 'DATABASE_UNAVAILABLE')
      tell(known.cause instanceof Error ? known.cause.message : String(known.cause))
    return known
  }

  return {
    /** Runs a piece of work on the file. Throws UniqueViolation or DomainError for an error of node:sqlite. */
    async guard<T>(work: () => Promise<T>): Promise<T> {
      try {
        check()
        return await work()
      } catch (err) {
        throw failed(err)
      }
    },
    stop: () => clearInterval(timer),
  }
}

/** Names the file at a path; undefined where there is none, as for `:memory:`. */
function inode(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false })
  return found && `${found.dev} ${found.ino}`
}
