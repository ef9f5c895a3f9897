import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'

/** How the API server is reached from inside of a pod. */
export interface ApiOptions {
  /** `https://host:port`. */
  server: string
  /** Folder with token, ca.crt and namespace. */
  account: string
}

interface Request {
  signal: AbortSignal
  /** After so long without a byte the connection counts as lost. */
  silenceMs: number
}

/** Asks the API server, as kubernetesApi makes it. */
export type Api = ReturnType<typeof kubernetesApi>

/**
 * The API of Kubernetes. The token is read for each request, since the kubelet replaces it about every
 * hour. By node:https, since fetch takes no authority of its own.
 */
export function kubernetesApi({ server, account }: ApiOptions) {
  const file = (name: string) => readFile(join(account, name), 'utf8')

  async function get(path: string, { signal, silenceMs }: Request): Promise<IncomingMessage> {
    const [token, ca] = await Promise.all([file('token'), file('ca.crt')])
    const headers = { authorization: `Bearer ${token.trim()}`, accept: 'application/json' }
    const request = https.get(new URL(path, server), { ca, headers, signal, timeout: silenceMs })
    request.once('timeout', () => request.destroy(new Error(`${server} is silent`)))
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return response
  }

  return {
    /** The namespace of the pod. */
    namespace: async () => (await file('namespace')).trim(),
    /** The JSON of an answer. Throws if the status is not 200. */
    async json(path: string, request: Request): Promise<unknown> {
      const response = await get(path, request)
      const text = Buffer.concat(await response.toArray()).toString()
      if (response.statusCode !== 200) throw refused(response, text)
      return JSON.parse(text)
    },
    /** The lines of an answer, each a JSON document. Throws if the status is not 200. */
    async *lines(path: string, request: Request): AsyncGenerator {
      const response = await get(path, request)
      if (response.statusCode !== 200)
        throw refused(response, Buffer.concat(await response.toArray()).toString())
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) {
        const [last = '', ...whole] = (text + String(chunk)).split('\n').toReversed()
        text = last
        for (const line of whole.toReversed()) yield JSON.parse(line)
      }
    },
  }
}

function refused({ statusCode }: IncomingMessage, text: string): Error {
  const [, message = text.slice(0, 200)] = /"message":\s*"([^"]*)"/.exec(text) ?? []
  return new Error(`Kubernetes has answered ${statusCode}: ${message}`)
}
