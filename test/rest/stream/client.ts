import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { Test } from 'tap'
import type { Protocol } from '../listen.ts'

export interface Asked {
  method?: string
  target: string
  headers?: Record<string, string>
}

/** An exchange whose two bodies are under way. */
export interface OpenExchange {
  request: Writable
  /** Resolves with the head of the answer. */
  answer: Promise<OpenAnswer>
  /** Leaves without a word to the server but the end of the connection or stream. */
  vanish: () => void
}

export interface OpenAnswer {
  status: number
  headers: Record<string, string>
  body: Readable
  /** What is left of the body, and whether it came to its end. */
  rest(): Promise<{ text: string; isWhole: boolean }>
  /** Reads until the body so far has this text, and gives all of it. */
  until(part: string): Promise<string>
}

/** Begins an exchange; the request goes on until its body is ended. */
export function begin(
  t: Test,
  protocol: Protocol,
  port: number,
  { method = 'GET', target, headers = {} }: Asked,
): OpenExchange {
  if (protocol === 'h2c') {
    const session = http2.connect(`http://127.0.0.1:${port}`)
    session.on('error', () => undefined)
    t.teardown(() => session.destroy())
    const stream = session.request(
      { ':method': method, ':path': target, ...headers },
      { endStream: method === 'GET' },
    )
    stream.on('error', () => undefined)
    const answer = once(stream, 'response').then(([fields]) =>
      opened(Number((fields as http2.IncomingHttpHeaders)[':status']), fields as object, stream),
    )
    return { request: stream, answer, vanish: () => session.destroy() }
  }
  const request = http.request({
    port,
    host: '127.0.0.1',
    method,
    path: target,
    headers,
    agent: false,
  })
  request.on('error', () => undefined)
  t.teardown(() => request.destroy())
  const answer = once(request, 'response').then(([res]) => {
    const response = res as http.IncomingMessage
    return opened(response.statusCode ?? 0, response.headers, response)
  })
  if (method === 'GET') request.end()
  else request.flushHeaders()
  return { request, answer, vanish: () => request.destroy() }
}

function opened(status: number, fields: object, body: Readable): OpenAnswer {
  const decoder = new StringDecoder()
  let text = ''
  const state = { isOver: false }
  let isWhole = false
  body.on('error', () => undefined)
  body.once('close', () => (state.isOver = true))
  body.once('end', () => (isWhole = !('rstCode' in body) || body.rstCode === 0))

  async function more(): Promise<void> {
    const chunk = body.read() as Buffer | null
    if (chunk !== null) text += decoder.write(chunk)
    else if (!state.isOver)
      await Promise.race([once(body, 'readable'), once(body, 'close')]).catch(() => undefined)
  }

  return {
    status,
    headers: fields as Record<string, string>,
    body,
    async rest() {
      while (!state.isOver) await more()
      return { text, isWhole: isWhole && (!('complete' in body) || body.complete === true) }
    },
    async until(part) {
      while (!text.includes(part) && !state.isOver) await more()
      return text
    },
  }
}

/** Answers a GET with its head, and with its body under way. */
export function get(
  t: Test,
  protocol: Protocol,
  port: number,
  target: string,
  headers: Record<string, string> = {},
): Promise<OpenAnswer> {
  return begin(t, protocol, port, { target, headers }).answer
}
