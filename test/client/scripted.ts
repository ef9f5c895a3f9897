import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import type { Test } from 'tap'
import type { Incoming } from '../../src/call/incoming.ts'
import { channelOf, type ClientOptions } from '../../src/client/channel.ts'
import type { OpenProtocol } from '../../src/client/node/open-node.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { counted } from './counted.ts'

/** What a scripted node is asked. */
export interface Asked {
  host: string
  /** Which try of the test it is, counted from 1. */
  number: number
  headers: Headers
  timeoutMs: number | undefined
  signal: AbortSignal | undefined
}

/** Answers with a user's id, or throws. */
export type Script = (asked: Asked) => bigint | Promise<bigint>

/** A client of nodes, by default a and b, that answer as the script says. */
export function scripted(
  t: Test,
  script: Script,
  options: ClientOptions = {},
  hosts: readonly string[] = ['a', 'b'],
) {
  const asked: Asked[] = []
  const { metrics, counts } = counted()
  const grpc: OpenProtocol = ({ host }) => {
    async function unary(...[method, signal, timeoutMs, header]: Parameters<Transport['unary']>) {
      const one = {
        host,
        number: asked.length + 1,
        headers: new Headers(header),
        timeoutMs,
        signal,
      }
      asked.push(one)
      const id = await script(one)
      return {
        stream: false,
        method,
        message: { id },
        header: new Headers(),
        trailer: new Headers(),
      }
    }
    return { transport: { unary } as unknown as Transport, close: () => undefined }
  }
  const { transport, close, nodes } = channelOf(
    `direct:///${hosts.map((host) => `${host}:1`).join()}`,
    {
      metrics,
      protocols: { grpc },
      retry: { backoffMs: 1 },
      ...options,
    },
  )
  t.teardown(close)
  return { users: createClient(User, transport), asked, counts, nodes }
}

/** As the wire brings an error of the service. */
export function answered(code: Code, message = 'no'): ConnectError {
  return Object.assign(new ConnectError(message, code), { isWireError: true })
}

/** As Connect reports a connection that failed with one of Node's codes. */
export function broken(code: Code, cause: object): ConnectError {
  const error = Object.assign(new Error('broken'), cause)
  return new ConnectError('broken', code, undefined, undefined, error)
}

export const refused = () => broken(Code.Unavailable, { code: 'ECONNREFUSED', syscall: 'connect' })
export const reset = () => broken(Code.Aborted, { code: 'ECONNRESET', syscall: 'read' })

/** Never answers; fails when it is given up. */
export function hangs({ signal }: Asked): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(ConnectError.from(signal.reason, Code.Canceled)))
  })
}

/** A call that is being served. */
export function incoming(headers: Record<string, string> = {}, limitMs = 1000): Incoming {
  const startedAt = performance.now()
  return {
    header: new Headers(headers),
    signal: new AbortController().signal,
    startedAt,
    limitAt: startedAt + limitMs,
    forwarded: undefined,
  }
}
