import { hash } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ContextValues } from '@connectrpc/connect'
import { exchangeKey, type Request } from '../exchange/exchange.ts'

/** Who a call is counted for. Metrics have the class alone. */
export interface Caller {
  class: 'token' | 'api_key' | 'certificate' | 'header' | 'anonymous'
  id: string
}

/** The parts of a call that tell its caller. */
interface Call {
  header: Headers
  contextValues: ContextValues
}

/** Gives the caller of a call. */
export type CallerOf = (call: Call) => Caller

/** A caller that has proved who it is. */
interface Known {
  id: string
  kind: 'token' | 'api_key' | 'certificate'
}

interface CallerOptions {
  /** Gives who the call has proved to come from; undefined if nobody has asked. */
  identityOf?: (values: ContextValues) => Known | undefined
  /** The header of a gateway that is believed; empty: none. */
  header: () => string
}

/**
 * Makes what finds the caller of a call: the identity that it has proved, else what the header of a
 * gateway says, else the client certificate of its connection, else its address. An x-api-key that
 * nobody has checked is not believed, or a caller would have as many quotas as it can think of keys.
 */
export function callers({ identityOf = () => undefined, header }: CallerOptions): CallerOf {
  return function callerOf(call) {
    const known = identityOf(call.contextValues)
    if (known) return { class: known.kind, id: bounded(known.id) }
    const name = header()
    const told = name === '' ? null : call.header.get(name)
    if (told !== null && told !== '') return { class: 'header', id: bounded(told) }
    const request = call.contextValues.get(exchangeKey)?.request
    return ofConnection(request && socketOf(request))
  }
}

function socketOf(request: Request) {
  return 'stream' in request ? request.stream.session?.socket : request.socket
}

type Socket = ReturnType<typeof socketOf>

// Kept for the life of the connection: reading a certificate costs more than all else here.
const byConnection = new WeakMap<object, Caller>()

function ofConnection(socket: Socket): Caller {
  if (socket === undefined) return { class: 'anonymous', id: '' }
  const known = byConnection.get(socket)
  if (known) return known
  const print = socket instanceof TLSSocket && socket.authorized ? fingerprint(socket) : undefined
  const caller: Caller = print
    ? { class: 'certificate', id: print }
    : { class: 'anonymous', id: network(socket.remoteAddress ?? '') }
  byConnection.set(socket, caller)
  return caller
}

function fingerprint(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.fingerprint256
}

/** An address of IPv4, or the 64 bits of one of IPv6 that a provider gives to one customer. */
export function network(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1] ?? address
  if (isIPv4(mapped) || !isIPv6(mapped)) return mapped
  const [head = '', tail = ''] = mapped.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = mapped.includes('::') ? Math.max(0, 8 - before.length - after.length) : 0
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${groups.slice(0, 4).join(':')}::/64`
}

const maxIdLength = 64

/** An id of any length, so short that it can be kept. */
function bounded(id: string): string {
  return id.length <= maxIdLength ? id : hash('sha256', id, 'base64url')
}
