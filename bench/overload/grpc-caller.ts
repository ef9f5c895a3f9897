import { once } from 'node:events'
import http2 from 'node:http2'
import { create, toBinary } from '@bufbuild/protobuf'
import { GetUserRequestSchema } from '../../src/gen/api/user/v1/user_pb.ts'
import { type Caller, type Outcome, storedUsers } from './caller.ts'

const streamsPerSession = 128
const resourceExhausted = '8'
const headers = {
  ':method': 'POST',
  ':path': '/api.user.v1.User/GetUser',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/** Gets users by gRPC over h2c, up to 128 at a time on each connection. */
export async function grpcCaller(port: number, connections: number): Promise<Caller> {
  const requests = Array.from({ length: storedUsers }, (_, index) => envelope(BigInt(index + 1)))
  const url = `http://127.0.0.1:${port}`
  const sessions = Array.from({ length: connections }, () => ({
    session: http2.connect(url),
    streams: 0,
  }))
  for (const { session } of sessions) session.on('error', () => undefined)
  await Promise.all(sessions.map(({ session }) => once(session, 'remoteSettings')))
  let next = 0

  return {
    call(done) {
      for (let tried = 0; tried < sessions.length; tried += 1) {
        const lane = sessions[(next = (next + 1) % sessions.length)]
        if (!lane || lane.session.closed || lane.streams >= streamsPerSession) continue
        lane.streams += 1
        const id = Math.floor(Math.random() * storedUsers)
        exchange(lane.session.request(headers), requests[id], (outcome) => {
          lane.streams -= 1
          done(outcome)
        })
        return true
      }
      return false
    },
    close() {
      for (const { session } of sessions) session.destroy()
    },
  }
}

function envelope(id: bigint): Buffer {
  const message = toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { id }))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([prefix, message])
}

function exchange(
  stream: http2.ClientHttp2Stream,
  body: Buffer | undefined,
  done: (outcome: Outcome) => void,
): void {
  let status = ''
  const read = (fields: http2.IncomingHttpHeaders) => {
    status = String(fields['grpc-status'] ?? status)
  }
  stream.on('response', read).on('trailers', read)
  stream.on('error', () => undefined)
  stream.once('close', () => {
    if (status === '0') done('ok')
    else done(status === resourceExhausted ? 'refused' : 'failed')
  })
  stream.resume()
  stream.end(body)
}
