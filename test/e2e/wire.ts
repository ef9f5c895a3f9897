import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { SecureContextOptions } from 'node:tls'
import type { Test } from 'tap'
import { h2Client, type H2Request } from './h2.ts'

/** Whom a client trusts, and what it shows of itself; all absent where there is no TLS. */
export type Credentials = Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>

/** Sends one request, a body as JSON, and reads the whole answer. */
export type Send = (
  method: string,
  path: string,
  body?: string,
) => Promise<{ status: number; body: string }>

/** What carries calls. */
export interface Wire {
  httpVersion: '1.1' | '2'
  credentials: Credentials
  /** Makes the sender to one of the ports, for what no client library sends. */
  sender: (baseUrl: string) => Send
}

const agent = { 'user-agent': 'node-test' }
const json = { 'content-type': 'application/json' }

/** Sends by node's own client, on connections that are kept. */
function overHttp1(baseUrl: string, credentials: Credentials): Send {
  const { request } = baseUrl.startsWith('https:') ? https : http
  return async function send(method, path, body) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const headers = { ...agent, ...(body !== undefined && json) }
    const options = { ...credentials, method, headers }
    request(`${baseUrl}${path}`, options, resolve).on('error', reject).end(body)
    const response = await promise
    return { status: response.statusCode ?? 0, body: await text(response) }
  }
}

/** Sends over one connection of HTTP/2, which the first request opens and the test's end closes. */
function overHttp2(t: Test, baseUrl: string, credentials: Credentials): Send {
  let request: H2Request | undefined
  return function send(method, path, body) {
    request ??= h2Client(t, baseUrl, credentials)
    const headers = {
      ':method': method,
      ':path': path,
      ...agent,
      ...(body !== undefined && json),
    }
    return request(headers, body)
  }
}

export function http1Wire(credentials: Credentials = {}): Wire {
  return { httpVersion: '1.1', credentials, sender: (url) => overHttp1(url, credentials) }
}

export function http2Wire(t: Test, credentials: Credentials): Wire {
  return { httpVersion: '2', credentials, sender: (url) => overHttp2(t, url, credentials) }
}
