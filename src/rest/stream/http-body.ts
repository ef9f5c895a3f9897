import { create, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf'
import { validateHeaderValue } from 'node:http'
import { Code } from '@connectrpc/connect'
import { fieldNamed } from '../../call/message/field-named.ts'
import { refusal } from '../../call/refusal.ts'
import { copyHeaders } from '../answer/answer.ts'
import { getField, setField } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'
import { fail } from './failure.ts'
import type { StreamedCall } from './opening.ts'
import { bodyWriter } from './writer.ts'

/** The fields of google.api.HttpBody that REST uses. */
interface HttpBody {
  contentType: string
  data: Uint8Array
}

const typeName = 'google.api.HttpBody'
const unknownType = 'application/octet-stream'

/** Where a message has an HttpBody: no field if it is one itself; undefined if it has none there. */
type BodyPath = DescField[] | undefined

/** Where the request of a binding has the HttpBody that its body fills. */
export function requestBodyPath({ method, body }: HttpBinding): BodyPath {
  return body === '' ? undefined : pathIn(method.input, body === '*' ? '' : body)
}

/** Where the reply of a binding has the HttpBody that is its answer. */
export function answerBodyPath({ method, responseBody }: HttpBinding): BodyPath {
  return pathIn(method.output, responseBody)
}

/** Whether the body of the request or of the answer is an HttpBody. */
export function hasHttpBody(binding: HttpBinding): boolean {
  return requestBodyPath(binding) !== undefined || answerBodyPath(binding) !== undefined
}

function pathIn(desc: DescMessage, name: string): BodyPath {
  if (name === '') return desc.typeName === typeName ? [] : undefined
  const field = fieldNamed(desc, name)
  return field?.fieldKind === 'message' && field.message.typeName === typeName ? [field] : undefined
}

/** Puts a body into the message that has an HttpBody at `path`. */
export function fillBody(message: Message, path: DescField[], body: HttpBody): void {
  const desc = path.at(-1)?.message
  if (desc === undefined) Object.assign(message, body)
  else setField(message, path, Object.assign(create(desc), body))
}

/** The HttpBody of a message; empty if it is not set. */
function bodyOf(message: Message, path: DescField[]): HttpBody {
  const { contentType = '', data = new Uint8Array() } =
    (getField(message, path) as Partial<HttpBody> | undefined) ?? {}
  return { contentType, data }
}

/** Answers a call with the bytes of its reply. */
export function sendBody(call: StreamedCall, message: Message, path: DescField[]): void {
  const { contentType, data } = bodyOf(message, path)
  setHead(call, contentType)
  void call.reply.send(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
}

/**
 * Answers a call with the bytes of its messages, each as soon as it is there, in the content type of
 * the first. Bytes have no place for an error, so one breaks the body off.
 */
export async function sendBodies(
  call: StreamedCall,
  messages: AsyncIterable<Message>,
  path: DescField[],
): Promise<void> {
  const writer = bodyWriter(call.reply, false)
  let first: string | undefined
  try {
    for await (const message of messages) {
      const { contentType, data } = bodyOf(message, path)
      if (first === undefined) setHead(call, contentType)
      else if (contentType !== '' && contentType !== first) throw otherType(first, contentType)
      first ??= contentType
      await writer.write(data)
      if (writer.isClosed()) return
      if (call.request.method === 'HEAD') break
    }
    if (first === undefined) setHead(call, '')
    await writer.end()
  } catch (err) {
    await fail(call, err, { isOpen: first !== undefined, error: undefined, writer })
  }
}

/** No coding is applied, since the bytes may have one already, and a range is a range of them. */
function setHead({ reply, context }: StreamedCall, contentType: string): void {
  const type = contentType === '' ? unknownType : contentType
  validateHeaderValue('content-type', type)
  copyHeaders(reply, context)
  void reply.code(context.answerStatus ?? 200).header('content-type', type)
}

function otherType(first: string, other: string) {
  const message = `a stream of ${first || unknownType} has a part of type ${other}`
  return refusal(Code.Internal, 'INTERNAL', 'internal error', { cause: new Error(message) })
}
