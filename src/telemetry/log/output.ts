import { writeSync } from 'node:fs'
import pino from 'pino'

/** Gets a logger's lines; pino writes the level of each line here before it writes the line. */
export interface LogOutput {
  write: (line: string) => void
  lastLevel: number
  /** Writes what waits. Waits for a reader that stands still, but for a second at most. */
  flushSync: () => void
  /** How many lines have been given up since the start. */
  dropped: () => number
}

const errorLevel = pino.levels.values['error'] ?? 50
/** So much text is written before the end of the event loop's turn. */
const gatherLength = 64 * 1024
/** How much text may wait for a reader that stands still. The last part is for errors. */
const waitingLength = 4 * 1024 * 1024
const waitingLengthWithErrors = 5 * 1024 * 1024
const retryMs = 10
const readerMs = 1000

interface LogOutputOptions {
  /** Must be non-blocking if it is a pipe or a socket. */
  fd: number
  /** Gives a line as it is written. */
  form?: (line: string) => string
  /** Is told how many lines were dropped, once lines can be written again. */
  recovered: (dropped: number) => void
}

/**
 * An output that never throws, and blocks the event loop only as long as a file system does. The
 * lines of one turn of the event loop are one write; an error is written at once, with all lines
 * before it. A line that cannot be written is dropped, but for a slow reader lines wait. A line that
 * was written in part is finished before others, so that lines stay whole. pino's own destination
 * retries a write for ever when it flushes at exit, whatever the error is (sonic-boom, flushSync).
 */
export function logOutput({ fd, form, recovered }: LogOutputOptions): LogOutput {
  const waiting = waitingLines(fd)
  let dropped = 0
  let told = 0
  let turn: NodeJS.Immediate | undefined
  let retry: NodeJS.Timeout | undefined
  let stalledSince: number | undefined

  function write(line: string): void {
    const isError = output.lastLevel >= errorLevel
    const maxLength = isError ? waitingLengthWithErrors : waitingLength
    if (retry && waiting.length() + line.length > maxLength) {
      dropped += 1
      return
    }
    waiting.push(form ? form(line) : line)
    if (retry) return
    if (isError || waiting.length() > gatherLength) flush()
    else turn ??= setImmediate(flush)
  }

  /** Says whether all is written; else it is tried again later. */
  function flush(): boolean {
    clearImmediate(turn)
    clearTimeout(retry)
    turn = retry = undefined
    const { written, error } = waiting.write()
    if (written > 0) stalledSince = undefined
    const failed = error ?? (written > 0 && dropped > told ? tell() : undefined)
    if (failed === undefined) return true
    if (failed === 'EAGAIN') stalledSince ??= performance.now()
    else dropped += waiting.drop()
    retry = setTimeout(flush, retryMs).unref()
    return false
  }

  /** Says after a write that succeeded how many lines are missing before. */
  function tell(): string | undefined {
    const untold = dropped - told
    told = dropped
    recovered(untold)
    return waiting.write().error
  }

  function flushSync(): void {
    const end = performance.now() + readerMs
    while (!flush() && stalledSince !== undefined) {
      const now = performance.now()
      if (now > end || now > stalledSince + readerMs) return
      sleep(retryMs)
    }
  }

  const output = { write, flushSync, lastLevel: 0, dropped: () => dropped, [wantsLevel]: true }
  return output
}

const wantsLevel = Symbol.for('pino.metadata')

/** Lines on their way to `fd`. */
function waitingLines(fd: number) {
  let gathered: string[] = []
  let gatheredLength = 0
  /** The lines that are being written, and the bytes of them that the system has not taken yet. */
  let batch: string[] = []
  let remaining = Buffer.alloc(0)

  function push(line: string): void {
    gathered.push(line)
    gatheredLength += line.length
  }

  /** Writes until nothing is left; says how many bytes, and the code of the error that ended it. */
  function write(): { written: number; error?: string } {
    let written = 0
    try {
      for (;;) {
        while (remaining.length > 0) {
          const bytes = writeSync(fd, remaining)
          remaining = remaining.subarray(bytes)
          written += bytes
        }
        batch = gathered
        remaining = Buffer.from(batch.join(''))
        gathered = []
        gatheredLength = 0
        if (remaining.length === 0) return { written }
      }
    } catch (err) {
      return { written, error: (err as NodeJS.ErrnoException).code ?? 'unknown' }
    }
  }

  /** Gives up all lines but the end of one that has been written in part; says how many. */
  function drop(): number {
    let kept = remaining.length
    let dropped = gathered.length
    for (const line of batch.toReversed()) {
      const size = Buffer.byteLength(line)
      if (size > kept) break
      kept -= size
      dropped += 1
    }
    remaining = Buffer.from(remaining.subarray(0, kept))
    batch = []
    gathered = []
    gatheredLength = 0
    return dropped
  }

  return { push, write, drop, length: () => remaining.length + gatheredLength }
}

/** Blocks the thread, as is allowed in an exit handler only. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
