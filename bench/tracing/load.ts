import { Agent, get } from 'node:http'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import type { Service } from './service.ts'

export type Protocol = 'REST' | 'gRPC'
export type Call = () => Promise<void>

/** A caller of GetUser over connections that stay open. */
export function caller(protocol: Protocol, { rest, rpc }: Service): Call {
  if (protocol === 'gRPC') {
    const users = createClient(User, createGrpcTransport({ baseUrl: rpc }))
    return async () => void (await users.getUser({ id: 1n }))
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return function call() {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const request = get(`${rest}/v1/users/1`, { agent }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 200) resolve()
        else reject(new Error(`HTTP ${answer.statusCode}`))
      })
    })
    request.once('error', reject)
    return promise
  }
}

/** Makes `count` calls, `inFlight` at a time. */
export async function load(call: Call, count: number, inFlight: number): Promise<void> {
  let left = count
  async function lane(): Promise<void> {
    while (left > 0) {
      left -= 1
      await call()
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}
