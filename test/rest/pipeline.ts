import net from 'node:net'

export interface Answer {
  status: number
  head: string
  body: string
}

export interface PipelineOptions {
  /** Requests on their way at once. */
  window?: number
  patienceMs?: number
}

/**
 * Sends requests down one connection of HTTP/1.1 at a time without waiting for each answer, and tells
 * of each answer in their order. The requests behind one after which the server closes go down a new
 * connection. Rejects when an answer takes longer than `patienceMs`, or a request got none though it
 * was the first of its connection.
 */
export async function pipeline(
  port: number,
  requests: Iterator<Buffer>,
  answered: (answer: Answer) => void,
  { window = 32, patienceMs = 20_000 }: PipelineOptions = {},
): Promise<void> {
  const sent: Buffer[] = []
  const from = { done: false }

  /** What is to be sent now, once some answers have come. */
  function next(): Buffer[] {
    if (sent.length > window / 2) return []
    const before = sent.length
    while (!from.done && sent.length < window) {
      const request = requests.next()
      if (request.done) from.done = true
      else sent.push(request.value)
    }
    return sent.slice(before)
  }

  /** Ends with its connection; true if any answer came. */
  function connection(): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let rest: Buffer = Buffer.alloc(0)
    let answers = 0

    function send(again: readonly Buffer[]): void {
      const parts = [...again, ...next()]
      if (parts.length > 0) socket.write(Buffer.concat(parts))
      if (sent.length === 0) socket.end()
    }

    function take(chunk: Buffer): void {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (let read = readAnswer(rest); read; read = readAnswer(rest)) {
        rest = rest.subarray(read.length)
        sent.shift()
        answers += 1
        answered(read.answer)
        if (/\r\nconnection: close/i.test(read.answer.head)) return void socket.destroy()
      }
      send([])
    }

    socket.setTimeout(patienceMs, () => reject(new Error('no answer in time')))
    socket.on('connect', () => send([...sent]))
    socket.on('data', (chunk) => {
      try {
        take(chunk)
      } catch (err) {
        reject(err)
        socket.destroy()
      }
    })
    // A server that closes while requests are on their way resets the connection.
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(answers > 0))
    return promise.finally(() => socket.destroy())
  }

  while (!from.done || sent.length > 0)
    if (!(await connection()) && sent.length > 0) throw new Error('closed without an answer')
}

function readAnswer(bytes: Buffer): { answer: Answer; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const head = bytes.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  if (/\r\ntransfer-encoding:/i.test(head)) throw new Error(`an answer in chunks: ${head}`)
  const whole = end + 4 + length
  if (bytes.length < whole) return undefined
  return { answer: { status, head, body: bytes.toString('utf8', end + 4, whole) }, length: whole }
}
