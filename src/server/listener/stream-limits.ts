import http2 from 'node:http2'
import { attachment } from '../../memory/attachment.ts'
import type { StreamsEach } from './arrival.ts'

interface Allowance {
  /** Streams that do not count against the limit. */
  setAside: number
  /** The limit that the client knows. */
  announced: number
}

/**
 * Tells the clients of HTTP/2 by SETTINGS how many streams `streamsEach` allows each connection, `max`
 * unless it allows fewer. Open streams stay; one that begins before the client knows a lower limit is
 * refused in a way that lets it be repeated.
 */
export function streamLimits(streamsEach: StreamsEach, max: number) {
  const allowanceOf = attachment<http2.Http2Session, Allowance>('stream allowance')

  /** Announces the limit of one connection of `connections` if it has changed. */
  function update(session: http2.Http2Session, connections: number): void {
    let allowance = allowanceOf.of(session)
    if (!allowance) allowanceOf.attach(session, (allowance = { setAside: 0, announced: max }))
    const each = streamsEach(connections)
    const limit = each === undefined ? max : Math.min(each + allowance.setAside, max)
    // A client that does not acknowledge the last SETTINGS gets no others.
    if (limit === allowance.announced || session.closed || session.pendingSettingsAck) return
    allowance.announced = limit
    session.settings({ maxConcurrentStreams: limit })
  }

  /** Lets the connection of a stream have one stream more while this one lasts. */
  function setAside(stream: http2.ServerHttp2Stream, connections: () => number): void {
    const { session } = stream
    const allowance = session && allowanceOf.of(session)
    if (!allowance || stream.closed) return
    allowance.setAside += 1
    stream.once('close', () => {
      allowance.setAside -= 1
      update(session, connections())
    })
    update(session, connections())
  }

  return { update, setAside }
}
