import { type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { fieldNamed } from '../../call/message/field-named.ts'
import { onlyMessage } from '../../call/stream.ts'
import { accepted } from '../answer/accepted.ts'
import { sendAnswer, vary } from '../answer/answer.ts'
import { compileEncoder } from '../answer/encode.ts'
import { setField } from '../field-path.ts'
import type { RestSettings } from '../options.ts'
import type { HttpBinding } from '../route/rules.ts'
import { streamFormat } from './format.ts'
import { framerOf } from './framer.ts'
import { answerBodyPath, sendBodies, sendBody } from './http-body.ts'
import type { StreamedCall } from './opening.ts'
import type { ReadRequest } from './read-request.ts'
import { sendMessages } from './send-messages.ts'

/** Answers a call with what its method gives. */
type Sender = (call: StreamedCall, output: AsyncIterable<Message>) => Promise<void>

/**
 * Decides by the head of a request how its call is answered; undefined if it has been answered already.
 * Throws NOT_ACCEPTABLE, before the method is called.
 */
type Answerer = (
  request: FastifyRequest,
  reply: FastifyReply,
  asked: ReadRequest,
) => Sender | undefined

/** The answerer for the kind of answers that a binding has. */
export function answerer(binding: HttpBinding, settings: RestSettings): Answerer {
  const path = answerBodyPath(binding)
  const streams = binding.method.methodKind === 'server_streaming'
  if (path === undefined)
    return streams ? withMessages(binding, settings) : withMessage(binding, settings)
  return () => async (call, output) => {
    if (streams) return sendBodies(call, output, path)
    const message = await onlyMessage(output)
    closeIfUnread(call.request, call.reply)
    sendBody(call, message, path)
  }
}

function withMessage(binding: HttpBinding, settings: RestSettings): Answerer {
  const encode = compileEncoder(binding, settings)
  const { compressFrom } = settings
  return function answer(request, reply, { system }) {
    const acceptance = accepted(request, system, settings)
    return async function send({ context }, output) {
      const message = await onlyMessage(output)
      const json = encode(message, system)
      closeIfUnread(request, reply)
      sendAnswer(request, reply, context, { acceptance, message, json, compressFrom })
    }
  }
}

function withMessages(binding: HttpBinding, settings: RestSettings): Answerer {
  const encode = compileEncoder(binding, settings)
  const { heartbeatMs, earlyMs } = settings
  const { input, output } = binding.method
  const [asks, resumeField] = [input, output].map((desc) => textField(desc, settings.resumeField))
  return function answer(request, reply, { only, system }) {
    const format = streamFormat(request, system, settings)
    const lastId = format.type === 'text/event-stream' ? lastEventId(request) : ''
    if (lastId === 'end') return void reply.code(204).send()
    if (request.method === 'HEAD') return sendHead(reply, format.type)
    if (lastId !== '' && asks && only) setField(only, [asks], lastId)
    const how = { format, encode, system, resumeField, heartbeatMs, earlyMs }
    return (call, messages) => sendMessages(call, messages, how)
  }
}

function textField(desc: DescMessage, name: string): DescField | undefined {
  const field = fieldNamed(desc, name)
  return field?.fieldKind === 'scalar' && field.scalar === ScalarType.STRING ? field : undefined
}

/** The id of the last event that a browser has had, which it sends when it connects again. */
function lastEventId({ headers }: FastifyRequest): string {
  const { 'last-event-id': id } = headers
  return typeof id === 'string' ? id : ''
}

/** The head of a stream, which may have no end, without calling its method. */
function sendHead(reply: FastifyReply, type: Parameters<typeof framerOf>[0]): undefined {
  vary(reply, 'Accept, Accept-Encoding')
  void reply.headers(framerOf(type).headers).header('content-type', type).send()
}

/** A connection of HTTP/1.1 whose request is not read to its end cannot have another one. */
export function closeIfUnread({ raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.httpVersionMajor === 1 && !raw.complete) void reply.header('connection', 'close')
}
