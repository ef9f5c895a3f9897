import type { DescField, Message } from '@bufbuild/protobuf'
import { lateTrailers } from '../answer/answer.ts'
import type { Encoder } from '../answer/encode.ts'
import { getField } from '../field-path.ts'
import type { SystemParameters } from '../request/system-parameters.ts'
import { fail } from './failure.ts'
import type { StreamFormat } from './format.ts'
import { type Framer, framerOf } from './framer.ts'
import { type Opening, opening, type StreamedCall } from './opening.ts'
import { type BodyWriter, bodyWriter } from './writer.ts'

/** How the messages of a stream are written. */
interface MessageAnswer {
  format: StreamFormat
  encode: Encoder
  system: SystemParameters
  /** The field whose value is the id of an event. */
  resumeField: DescField | undefined
  heartbeatMs: number
  earlyMs: number
}

/**
 * Answers a call with the messages of its method, each as soon as it is there. Reads no message while
 * the client reads none.
 */
export async function sendMessages(
  call: StreamedCall,
  messages: AsyncIterable<Message>,
  answer: MessageAnswer,
): Promise<void> {
  const { format, heartbeatMs, earlyMs } = answer
  const framer = framerOf(format.type)
  const writer = bodyWriter(call.reply, format.gzip)
  const begun = opening(call, format, { framer, writer, heartbeatMs, earlyMs })
  try {
    await writeAll(messages, answer, { framer, writer, begun })
    begun.open()
    void writer.write(framer.close)
    await writer.end(() => lateTrailers(call.request, call.context))
  } catch (err) {
    await fail(call, err, { isOpen: begun.isOpen(), error: framer.error, writer })
  } finally {
    begun.close()
  }
}

interface Output {
  framer: Framer
  writer: BodyWriter
  begun: Opening
}

async function writeAll(
  messages: AsyncIterable<Message>,
  { encode, system, resumeField }: MessageAnswer,
  { framer, writer, begun }: Output,
): Promise<void> {
  const form = framer.mayBreakLines ? system : { ...system, pretty: false }
  let isFirst = true
  for await (const message of messages) {
    const json = encode(message, form)
    begun.open()
    const wait = writer.write(framer.message(json, isFirst, tokenOf(message, resumeField)))
    isFirst = false
    begun.wrote()
    await wait
    if (writer.isClosed()) return
  }
}

function tokenOf(message: Message, field: DescField | undefined): string {
  const token = field && getField(message, [field])
  return typeof token === 'string' ? token : ''
}
