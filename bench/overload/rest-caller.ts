import { once } from 'node:events'
import net from 'node:net'
import { type Entry, inFlight } from '../../src/memory/in-flight.ts'
import { type Caller, type Outcome, storedUsers } from './caller.ts'

interface Lane {
  socket: net.Socket
  done: ((outcome: Outcome) => void) | undefined
  /** Among those without a call. */
  free: Entry<Lane> | undefined
  received: string
}

/** What is sent, where it is not a user by its id. */
interface RestCalls {
  /** Header lines of each call. */
  headers?: readonly string[] | undefined
  /** The target of every call. */
  target?: string | undefined
}

/**
 * Gets users over HTTP/1.1, one call at a time on each connection. On bare sockets with requests made
 * beforehand: with node:http the generator would need more time than the service for a refusal.
 * Whatever the load, the connections take turns: the clients are the same, only their calls are more.
 */
export async function restCaller(
  port: number,
  connections: number,
  { headers = [], target }: RestCalls = {},
): Promise<Caller> {
  const head = ['Host: bench', ...headers].join('\r\n')
  const requests = Array.from({ length: storedUsers }, (_, index) =>
    Buffer.from(`GET ${target ?? `/v1/users/${index + 1}`} HTTP/1.1\r\n${head}\r\n\r\n`),
  )
  const free = inFlight<Lane>()
  const lanes = new Set<Lane>()
  let closed = false

  function settle(lane: Lane, outcome: Outcome): void {
    const { done } = lane
    lane.done = undefined
    lane.received = ''
    if (lane.socket.writable) lane.free = free.add(lane)
    done?.(outcome)
  }

  async function open(): Promise<void> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const lane: Lane = { socket, done: undefined, free: undefined, received: '' }
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      lane.received += chunk
      const outcome = outcomeOf(lane.received)
      if (outcome) settle(lane, outcome)
    })
    socket.on('error', () => undefined)
    socket.once('close', () => {
      lanes.delete(lane)
      if (lane.done) settle(lane, 'failed')
      else if (lane.free) free.remove(lane.free)
      if (!closed) void open()
    })
    lanes.add(lane)
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    if (socket.writable) lane.free = free.add(lane)
  }

  // In batches, which the service's queue of new connections holds.
  for (let opened = 0; opened < connections; opened += 100)
    await Promise.all(Array.from({ length: Math.min(100, connections - opened) }, open))

  return {
    call(done) {
      const entry = free.oldest()
      if (!entry) return false
      free.remove(entry)
      const lane = entry.value
      lane.done = done
      lane.socket.write(requests[Math.floor(Math.random() * storedUsers)] ?? '')
      return true
    },
    close() {
      closed = true
      for (const { socket } of lanes) socket.destroy()
    },
  }
}

/** What a complete answer says; undefined while some of it is missing. */
function outcomeOf(text: string): Outcome | undefined {
  const bodyAt = text.indexOf('\r\n\r\n') + 4
  if (bodyAt === 3) return undefined
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
  if (text.length < bodyAt + length) return undefined
  const status = text.slice(9, 12)
  if (status === '200') return 'ok'
  const reason = { 429: 'RATELIMIT', 503: 'OVERLOADED' }[status]
  return reason !== undefined && text.includes(reason, bodyAt) ? 'refused' : 'failed'
}
