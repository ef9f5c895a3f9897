import type { RunningApp } from '../../help/app.ts'
import type { H2Request } from '../h2.ts'
import { exchangeBytes, type RawAnswer } from '../raw.ts'
import type { Call } from './calls.ts'
import { type Change, changed, type Field } from './fields.ts'

/** Sends a call over HTTP/1.1 as it stands, on a connection of its own. */
export function sendHttp1(app: RunningApp, call: Call, change: Change): Promise<RawAnswer> {
  const { method, target, headers, body, port } = call
  const length: Field[] = body ? [['content-length', String(body.byteLength)]] : []
  const own: Field[] = [['host', 'localhost'], ['connection', 'close'], ...length]
  const fields = changed([...own, ...Object.entries(headers)], change)
  const codings = fields.filter(([name]) => name === 'transfer-encoding')
  const lines = codings.length > 0 ? fields.filter(([name]) => name !== 'content-length') : fields
  const chunked = /\bchunked\s*$/i.test(codings.at(-1)?.[1] ?? '')
  const head = [`${method} ${target} HTTP/1.1`, ...lines.map((line) => line.join(': ')), '', '']
  const bytes = Buffer.from(head.join('\r\n'), 'latin1')
  return exchangeBytes(app[port].port, Buffer.concat([bytes, ...bodyOf(body, chunked)]))
}

function bodyOf(body: Buffer = Buffer.of(), chunked: boolean): Buffer[] {
  if (!chunked) return [body]
  const whole = [Buffer.from(`${body.byteLength.toString(16)}\r\n`), body, Buffer.from('\r\n')]
  return [...(body.byteLength > 0 ? whole : []), Buffer.from('0\r\n\r\n')]
}

/** Fields of connections, which HTTP/2 does not have. */
const ofConnections = ['connection', 'transfer-encoding', 'upgrade']

/** What nghttp2 takes: it resets the stream of any other request, which is none then. */
function asHttp2(fields: readonly Field[]): Field[] {
  return fields.flatMap(([name, value]): Field[] => {
    if (ofConnections.includes(name) || (name === 'te' && value !== 'trailers')) return []
    if (name !== 'host') return [[name, value.trim()]]
    const authority = value.replaceAll(/[^\w.~!$&'()*+,;=:%[\]-]/g, '')
    return authority === '' ? [] : [[':authority', authority]]
  })
}

/** Sends a call over HTTP/2, as far as its version of HTTP has its fields. */
export function sendHttp2(request: H2Request, call: Call, change: Change): Promise<RawAnswer> {
  const { method, target, headers, body } = call
  const all: Record<string, string | string[]> = { ':method': method, ':path': target }
  for (const [name, value] of asHttp2(changed(Object.entries(headers), change))) {
    const before = name.startsWith(':') ? undefined : all[name]
    all[name] = before === undefined || name === 'te' ? value : [before, value].flat()
  }
  return request(all, body)
}
