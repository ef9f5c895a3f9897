import { createHmac } from 'node:crypto'
import { isObject } from '../../text/json-object.ts'
import type { ConfigSource } from '../config-source.ts'
import { pause } from '../keep.ts'

interface ApolloOptions {
  /** `http://host:port` or `https://host:port`. */
  url: string
  appId: string
  cluster: string
  /** With its format, such as `config.yaml`. */
  namespace: string
  /** Access key; empty: calls are not signed. */
  secret: string
  timeoutMs: number
}

/** Apollo holds the question for changes for 60 s. */
const maxHeldMs = 60_000
/** From one question to the next: a server that holds none is not asked all the time. */
const minRoundMs = 1_000

interface Answer {
  status: number
  text: string
}

/** A document that is a namespace of Apollo, in a format other than properties. */
export function apolloConfigSource(options: ApolloOptions): ConfigSource {
  const { appId, cluster, namespace, timeoutMs } = options
  const [app, inCluster, name] = [appId, cluster, namespace].map(encodeURIComponent)
  const call = apolloCall(options)

  /** Asks whether anything has changed since `notificationId`; gives the id from then on. */
  async function changed(notificationId: number, signal: AbortSignal): Promise<number> {
    const asked = encodeURIComponent(JSON.stringify([{ namespaceName: namespace, notificationId }]))
    const path = `/notifications/v2?appId=${app}&cluster=${inCluster}&notifications=${asked}`
    const answer = await call(path, timeoutMs + maxHeldMs, signal)
    return answer.status === 304 ? notificationId : idIn(expectOk(answer))
  }

  return {
    kind: 'apollo',
    key: `${appId}/${cluster}/${namespace}`,
    async follow(signal, told) {
      let release = ''
      let notification = -1
      while (!signal.aborted) {
        const began = performance.now()
        const query = release === '' ? '' : `?releaseKey=${encodeURIComponent(release)}`
        const answer = await call(`/configs/${app}/${inCluster}/${name}${query}`, timeoutMs, signal)
        if (answer.status !== 304) {
          const found = answer.status === 404 ? { release: '', text: undefined } : releaseIn(answer)
          release = found.release
          told(found.text)
        }
        // Where only this question fails, the document is read once in a round.
        notification = await changed(notification, signal).catch(() => notification)
        await pause(Math.max(0, minRoundMs - (performance.now() - began)), signal)
      }
    },
    close() {},
  }
}

function apolloCall({ url, appId, secret }: ApolloOptions) {
  return async function call(
    path: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(new URL(path, url), {
      headers: secret === '' ? {} : signatureOf(path, appId, secret),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    })
    return { status: response.status, text: await response.text() }
  }
}

/** Source: apolloconfig/apollo, Signature of apollo-core. */
function signatureOf(path: string, appId: string, secret: string): Record<string, string> {
  const timestamp = String(Date.now())
  const signature = createHmac('sha1', secret).update(`${timestamp}\n${path}`).digest('base64')
  return { authorization: `Apollo ${appId}:${signature}`, timestamp }
}

function expectOk({ status, text }: Answer): unknown {
  if (status !== 200) throw new Error(`Apollo has answered ${status}`)
  return JSON.parse(text)
}

function idIn(notifications: unknown): number {
  const [first]: unknown[] = Array.isArray(notifications) ? notifications : []
  const id = isObject(first) ? first.notificationId : undefined
  if (typeof id !== 'number') throw new Error('the answer of Apollo has no notificationId')
  return id
}

/** A namespace of properties has a value for each key, another one its text as `content`. */
function releaseIn(answer: Answer): { release: string; text: string | undefined } {
  const body = expectOk(answer)
  const { releaseKey, configurations } = isObject(body) ? body : {}
  if (typeof releaseKey !== 'string' || !isObject(configurations))
    throw new Error('the answer of Apollo is no release')
  const { content } = configurations
  if (typeof content !== 'string')
    throw new Error('the namespace has no content; it must be one of YAML, such as config.yaml')
  return { release: releaseKey, text: content }
}
