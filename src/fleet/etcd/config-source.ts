import { Event_EventType } from '../../gen/etcd/rpc_pb.ts'
import type { ConfigSource } from '../config-source.ts'
import { etcdConnection, type EtcdOptions, type EtcdSession } from './connection.ts'
import { watchKeys } from './watch-keys.ts'

interface Following {
  session: EtcdSession
  key: Uint8Array
  timeoutMs: number
  signal: AbortSignal
}

/** A document in one key of etcd. */
export function etcdConfigSource(key: string, options: EtcdOptions): ConfigSource {
  const connection = etcdConnection(options, (_facts, connect) => connect())
  const { timeoutMs } = options
  return {
    kind: 'etcd',
    key,
    async follow(signal, told) {
      const session = await connection.open()
      try {
        await followKey({ session, key: Buffer.from(key), timeoutMs, signal }, told)
      } catch (err) {
        if (!signal.aborted) connection.leave(session, err)
        throw err
      }
    },
    close: () => connection.close(),
  }
}

async function followKey(
  { session, key, timeoutMs, signal }: Following,
  told: (text: string | undefined) => void,
): Promise<void> {
  const { header, kvs } = await session.kv.range({ key }, { timeoutMs, signal })
  told(kvs[0] && utf8(kvs[0].value))
  const startRevision = (header?.revision ?? 0n) + 1n
  for await (const events of watchKeys(session, [{ key, startRevision }], signal)) {
    const last = events.at(-1)
    const kv = last?.type === Event_EventType.DELETE ? undefined : last?.kv
    told(kv && utf8(kv.value))
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
