import type { ClientHttp2Stream } from 'node:http2'
import { type Managed, managed } from './managed-session.ts'

type Settings = Parameters<typeof managed>
type Request = Parameters<Managed['request']>

/** What a client has of its sessions to one server; made by `sessionsTo`. */
export type Sessions = ReturnType<typeof sessionsTo>

const maxSessions = 8

/** Sessions of HTTP/2 to one server, the next one used while those before have no room. */
export function sessionsTo(...settings: Settings) {
  const first = managed(...settings)
  const all = [first]

  function chosen(): Managed {
    const ready = all.find((each) => each.hasRoom())
    if (ready) return ready
    if (all.length === maxSessions)
      return all.reduce((best, each) => (each.open() < best.open() ? each : best))
    const further = managed(...settings)
    all.push(further)
    return further
  }

  return {
    authority: first.authority,
    request: (...request: Request): Promise<ClientHttp2Stream> => chosen().request(...request),
    notifyResponseByteRead(stream: ClientHttp2Stream): void {
      for (const each of all) each.notifyResponseByteRead(stream)
    },
    abort(): void {
      for (const each of all) each.abort()
    },
  }
}
