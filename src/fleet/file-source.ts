import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { ConfigSource } from './config-source.ts'
import { pause } from './keep.ts'

/** Editors and Kubernetes make several changes in one moment. */
const settleMs = 100

/**
 * A file, which is read after any change in its folder: Kubernetes replaces a link beside it, editors
 * rename another file to its name, and a watch of the file itself would see neither a second time. It is
 * also read every `pollMs`, since not every file system tells of changes.
 */
export function fileSource(path: string, pollMs: number): ConfigSource {
  return {
    kind: 'file',
    key: path,
    async follow(signal, told) {
      let known: string | undefined
      using changes = folderChanges(dirname(resolve(path)))
      while (!signal.aborted) {
        const text = await readFile(path, { encoding: 'utf8', signal })
        if (text !== known) told(text)
        known = text
        await changes.next(pollMs, signal)
        await pause(settleMs, signal)
      }
    },
    close() {},
  }
}

/** The changes in a folder; none is told where it cannot be watched. */
function folderChanges(folder: string): Disposable & {
  next: (timeoutMs: number, signal: AbortSignal) => Promise<void>
} {
  let changed = Promise.withResolvers<void>()
  const watcher = watched(folder, () => changed.resolve())
  return {
    /** Resolves after a change since the last call, or after `timeoutMs`. */
    async next(timeoutMs, signal) {
      const ended = new AbortController()
      await Promise.race([
        changed.promise,
        pause(timeoutMs, AbortSignal.any([signal, ended.signal])),
      ])
      ended.abort()
      changed = Promise.withResolvers()
    },
    [Symbol.dispose]: () => watcher?.close(),
  }
}

function watched(folder: string, changed: () => void) {
  try {
    // An error ends the watch; the file is still read at each poll.
    return watch(folder, { persistent: false }, changed).on('error', () => undefined)
  } catch {
    return undefined
  }
}
