import { isObject } from '../../text/json-object.ts'
import type { ConfigSource } from '../config-source.ts'
import { type AgentOptions, type Answer, consulAgent } from './agent.ts'
import { entriesOf } from './format.ts'
import { heldQueries } from './held-queries.ts'

interface ConsulConfigOptions extends AgentOptions {
  /** Where the key is; empty: the agent's own. */
  datacenter: string
}

/** A document in one key of Consul. */
export function consulConfigSource(
  key: string,
  { datacenter, ...options }: ConsulConfigOptions,
): ConfigSource {
  const agent = consulAgent(options)
  const { timeoutMs } = options
  const path = `/v1/kv/${key.split('/').map(encodeURIComponent).join('/')}`
  return {
    kind: 'consul',
    key,
    async follow(signal, told) {
      const queries = heldQueries({ agent, path, datacenter, timeoutMs, signal })
      for await (const answer of queries) told(documentIn(answer))
    },
    close() {},
  }
}

/** A key that does not exist is answered with 404, and with an index as any other. */
function documentIn({ status, index, text }: Answer): string | undefined {
  if (status === 404 && index > 0n) return undefined
  if (status !== 200) throw new Error(`Consul has answered ${status}`)
  const [entry] = entriesOf(text)
  const value = isObject(entry) ? entry.Value : undefined
  // Consul gives null for a key with an empty value.
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : ''
}
