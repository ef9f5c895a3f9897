import type { Message } from '@bufbuild/protobuf'
import { isObject } from '../../text/json-object.ts'
import { type About, parsed, type ReadOptions, tooLarge, unreadable } from './answer.ts'
import { streamedError } from './answer-error.ts'
import type { Answer } from './exchange.ts'
import { mediaTypeOf } from './headers.ts'
import { LongLine, linesOf } from './lines.ts'
import { connectionError } from './lost.ts'

type Frames = (lines: AsyncIterable<string>) => AsyncGenerator<Frame>

/** One message of a stream as JSON, or the error that ends it. */
interface Frame {
  kind: 'message' | 'error'
  text: string
}

const framesByType: Record<string, Frames> = {
  'text/event-stream': eventFrames,
  'application/x-ndjson': lineFrames,
  'application/ndjson': lineFrames,
  'application/jsonl': lineFrames,
}

/**
 * The messages of a streamed answer, server-sent events or a JSON text per line. Throws internal for
 * an answer of another type.
 */
export function readMessages(
  { request, response }: Answer,
  about: About,
  options: ReadOptions,
): AsyncIterable<Message> {
  if (response.statusCode === 204) return none()
  const type = mediaTypeOf(response.headers)
  const frames = framesByType[type]
  if (frames === undefined) {
    request.destroy()
    throw unreadable(about.call, `its content type is ${type || 'missing'}, which is no stream`)
  }
  return messagesOf(frames(linesOf(response, options.maxBytes)), about, options)
}

async function* none(): AsyncGenerator<Message> {}

/**
 * Throws the error that ends the stream; unavailable if its connection breaks, since a peer that
 * ends a stream says so.
 */
async function* messagesOf(
  frames: AsyncGenerator<Frame>,
  about: About,
  options: ReadOptions,
): AsyncGenerator<Message> {
  try {
    for await (const { kind, text } of frames)
      if (kind === 'message') yield parsed(text, about, options)
      else throw streamedError(text, options.dialect) ?? unreadable(about.call, 'its error is none')
  } catch (err) {
    throw streamFailure(err, about, options)
  }
}

function streamFailure(err: unknown, about: About, options: ReadOptions): unknown {
  if (err instanceof LongLine) return tooLarge(about, options)
  if (err instanceof TypeError) return unreadable(about.call, 'it is not UTF-8', err)
  const broken = err instanceof Error && 'code' in err && typeof err.code === 'string'
  return broken ? connectionError(err, { sent: true }) : err
}

/**
 * The frames of server-sent events, as Kratos v3 sends them: `message` or an event without a name,
 * and `error`. This service ends a stream by `end`. Other events, comments and a last event that its
 * empty line does not end are passed over.
 */
async function* eventFrames(lines: AsyncIterable<string>): AsyncGenerator<Frame> {
  let event = ''
  let data: string[] = []
  for await (const line of lines) {
    if (line === '') {
      const text = data.join('\n')
      if (event === 'end') return
      if (event === 'error') yield { kind: 'error', text }
      else if ((event === '' || event === 'message') && data.length > 0)
        yield { kind: 'message', text }
      event = ''
      data = []
    } else {
      const { name, value } = fieldOf(line)
      if (name === 'event') event = value
      else if (name === 'data') data.push(value)
    }
  }
}

function fieldOf(line: string): { name: string; value: string } {
  const colon = line.indexOf(':')
  if (colon === -1) return { name: line, value: '' }
  const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
  return { name: line.slice(0, colon), value }
}

/** The frames of newline-delimited JSON; an empty line keeps the connection alive. */
async function* lineFrames(lines: AsyncIterable<string>): AsyncGenerator<Frame> {
  for await (const line of lines) {
    if (line.trim() === '') continue
    const error = errorIn(line)
    yield error === undefined ? { kind: 'message', text: line } : { kind: 'error', text: error }
  }
}

// A message may have a field `error`, too, but hardly one with all these names and a number.
const statusNames = ['code', 'reason', 'message', 'metadata']

/** The error that a line is: an object with the one key `error` and Kratos' error under it. */
function errorIn(line: string): string | undefined {
  if (!/^\s*\{\s*"error"\s*:/.test(line)) return undefined
  const json = tried(line)
  if (!isObject(json) || Object.keys(json).length > 1) return undefined
  const { error } = json
  if (!isObject(error) || typeof error.code !== 'number') return undefined
  return statusNames.every((name) => name in error) ? JSON.stringify(error) : undefined
}

function tried(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
