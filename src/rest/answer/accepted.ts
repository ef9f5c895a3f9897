import type { FastifyRequest } from 'fastify'
import { codings } from '../codings.ts'
import { notAcceptable } from '../errors.ts'
import type { RestSettings } from '../options.ts'
import type { SystemParameters } from '../request/system-parameters.ts'
import type { Acceptance } from './answer.ts'
import { answerCoding, answerType, type CodingChoice } from './negotiate.ts'

/**
 * The type and coding that the client accepts. Throws NOT_ACCEPTABLE, before the method is called,
 * since the method may have effects.
 */
export function accepted(
  { headers }: FastifyRequest,
  { json }: SystemParameters,
  { strictAccept }: RestSettings,
): Acceptance {
  const { accept, 'accept-encoding': acceptEncoding } = headers
  const other = json || !strictAccept ? 'application/json' : undefined
  const type = answerType(accept) ?? other
  if (type === undefined)
    throw notAcceptable('Accept', accept ?? '', 'application/json, application/protojson')
  const coding = codingOf(acceptEncoding)
  if (coding === undefined)
    throw notAcceptable('Accept-Encoding', acceptEncoding ?? '', `identity, ${codings.join(', ')}`)
  return { type, coding }
}

const maxChoices = 100
const choices = new Map<string, CodingChoice | undefined>()

/** Reads a header once, since all calls of a client have the same. */
function codingOf(header = ''): CodingChoice | undefined {
  if (choices.has(header)) return choices.get(header)
  const choice = answerCoding(header)
  if (choices.size < maxChoices) choices.set(header, choice)
  return choice
}
