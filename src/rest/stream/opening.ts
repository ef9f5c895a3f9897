import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UnaryCall } from '../../call/context.ts'
import { copyHeaders, vary } from '../answer/answer.ts'
import type { RestObserver } from '../options.ts'
import type { StreamFormat } from './format.ts'
import type { Framer } from './framer.ts'
import type { BodyWriter } from './writer.ts'

/** A call whose request or answer is streamed. */
export interface StreamedCall {
  request: FastifyRequest
  reply: FastifyReply
  context: UnaryCall
  observer: RestObserver | undefined
  /** Maps a field path in proto names to the name that this client sent. */
  sent: (field: string) => string
}

/** The beginning of an answer: its headers, and what stands before the first message. */
export interface Opening {
  isOpen(): boolean
  /** Begins the answer, once. Throws if a header cannot be sent. */
  open(): void
  /** Tells that something has been written. */
  wrote(): void
  /** To be called when the answer is over. */
  close(): void
}

interface OpeningParts {
  framer: Framer
  writer: BodyWriter
  heartbeatMs: number
  earlyMs: number
}

/**
 * The opening of a stream. In formats whose headers go early it opens by itself after `earlyMs`, so
 * that the client knows that it is connected; then it sends a heartbeat after each `heartbeatMs`
 * without a message.
 */
export function opening(
  { reply, context }: StreamedCall,
  { type, gzip }: StreamFormat,
  { framer, writer, heartbeatMs, earlyMs }: OpeningParts,
): Opening {
  let isOpen = false
  let beat: NodeJS.Timeout | undefined
  const early = framer.isEarly ? setTimeout(openEarly, earlyMs) : undefined

  function open(): void {
    if (isOpen) return
    setHead(reply, context, { type, framer })
    isOpen = true
    clearTimeout(early)
    if (framer.open !== '') void writer.write(framer.open)
    if (framer.heartbeat !== '') beat = setTimeout(sendHeartbeat, heartbeatMs)
  }

  function openEarly(): void {
    try {
      open()
      if (framer.open === '' || gzip) writer.begin()
    } catch {
      // A header that cannot be sent. The first message, or the end, meets the same error.
    }
  }

  function sendHeartbeat(): void {
    void writer.write(framer.heartbeat)
    beat?.refresh()
  }

  return {
    isOpen: () => isOpen,
    open,
    wrote: () => void beat?.refresh(),
    close() {
      clearTimeout(early)
      clearTimeout(beat)
    },
  }
}

function setHead(
  reply: FastifyReply,
  context: UnaryCall,
  { type, framer }: { type: StreamFormat['type']; framer: Framer },
): void {
  copyHeaders(reply, context)
  vary(reply, 'Accept, Accept-Encoding')
  void reply
    .code(context.answerStatus ?? 200)
    .headers(framer.headers)
    .header('content-type', type)
}
