import type { errorBody } from '../errors.ts'
import type { StreamType } from './format.ts'

type ErrorBody = ReturnType<typeof errorBody>

/** How the messages of a stream stand in the body of an answer. */
export interface Framer {
  headers: Readonly<Record<string, string>>
  /** Whether the headers are sent although no message is there yet. */
  isEarly: boolean
  /** Whether a message may have several lines. */
  mayBreakLines: boolean
  open: string
  /** One message. `id` is the token by which a client resumes after it; empty: none. */
  message(json: string, isFirst: boolean, id: string): string
  /** Tells the client that it has all messages. */
  close: string
  /** Tells it of an error; undefined if only a body that is broken off can tell. */
  error: ((body: ErrorBody) => string) | undefined
  /** Keeps a silent connection open; empty: nothing can be sent between messages. */
  heartbeat: string
}

// nginx holds an answer back otherwise, until it has some kilobytes of it.
const unbuffered = { 'x-accel-buffering': 'no' }

/**
 * A JSON array. Clients such as google-gax take every object in it for a message and a text that ends
 * too early for a whole one, so an error breaks the body off.
 */
const array: Framer = {
  headers: unbuffered,
  isEarly: false,
  mayBreakLines: true,
  open: '[',
  message: (json, isFirst) => (isFirst ? json : `,\n${json}`),
  close: ']\n',
  error: undefined,
  heartbeat: '',
}

/** JSON values, one a line. The last line of a stream that fails is `{"error":…}`. */
const lines: Framer = {
  headers: unbuffered,
  isEarly: true,
  mayBreakLines: false,
  open: '',
  message: (json) => `${json}\n`,
  close: '',
  error: (body) => `${JSON.stringify({ error: body })}\n`,
  heartbeat: '',
}

/** A token that could begin another field, or that browsers ignore, is left out. */
const isToken = (id: string) => id !== '' && !/[\r\n\0]/.test(id)

/** Server-sent events, as in the HTML standard. */
const events: Framer = {
  headers: { ...unbuffered, 'cache-control': 'no-cache, no-transform' },
  isEarly: true,
  mayBreakLines: true,
  open: 'retry: 2000\n\n',
  message(json, _isFirst, id) {
    const data = json.includes('\n') ? json.replaceAll('\n', '\ndata: ') : json
    return `${isToken(id) ? `id: ${id}\n` : ''}data: ${data}\n\n`
  },
  close: 'id: end\nevent: end\ndata: {}\n\n',
  error: (body) => `event: error\ndata: ${JSON.stringify(body)}\n\n`,
  heartbeat: ': \n\n',
}

const framers: Record<StreamType, Framer> = {
  'application/json': array,
  'application/protojson': array,
  'application/x-ndjson': lines,
  'application/jsonl': lines,
  'text/event-stream': events,
}

/** The framer of a content type. */
export function framerOf(type: StreamType): Framer {
  return framers[type]
}
