import type { FastifyRequest } from 'fastify'
import { codings } from '../codings.ts'
import { notAcceptable } from '../errors.ts'
import type { RestSettings } from '../options.ts'
import type { SystemParameters } from '../request/system-parameters.ts'
import { answerCoding, preferredType } from '../answer/negotiate.ts'

/** The content types of a stream of messages, the one without a preference first. */
const streamTypes = [
  'application/json',
  'application/protojson',
  'application/x-ndjson',
  'application/jsonl',
  'text/event-stream',
] as const

/** A content type of a stream of messages. */
export type StreamType = (typeof streamTypes)[number]

/** The content type of a stream, and whether it is compressed. */
export interface StreamFormat {
  type: StreamType
  gzip: boolean
}

/**
 * The form in which a client gets a stream of messages, by Accept, `$alt` and Accept-Encoding.
 * Events are never compressed. Throws NOT_ACCEPTABLE.
 */
export function streamFormat(
  { headers }: FastifyRequest,
  { json, events }: SystemParameters,
  { strictAccept }: RestSettings,
): StreamFormat {
  const { accept, 'accept-encoding': acceptEncoding } = headers
  const other = json || !strictAccept ? 'application/json' : undefined
  const type = events ? 'text/event-stream' : (preferredType(accept, streamTypes) ?? other)
  if (type === undefined) throw notAcceptable('Accept', accept ?? '', streamTypes.join(', '))
  const choice = answerCoding(acceptEncoding, ['gzip'])
  if (choice === undefined || (type === 'text/event-stream' && !choice.identity))
    throw notAcceptable('Accept-Encoding', acceptEncoding ?? '', `identity, ${codings.at(-1)}`)
  return { type, gzip: choice.coding !== undefined && type !== 'text/event-stream' }
}
