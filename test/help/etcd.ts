import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { KV, Lease, Watch } from '../../src/gen/etcd/rpc_pb.ts'
import { prefixEnd } from '../../src/fleet/etcd/watch-keys.ts'
import { until } from './until.ts'

/** Why tests of etcd are skipped; false where it is there. */
export const withoutEtcd =
  process.env.TEST_ETCD !== undefined
    ? false
    : 'needs etcd and peers that are built with Go: install Go, and run through `npm test`'

export type RunningEtcd = Awaited<ReturnType<typeof startEtcd>>

/** Runs etcd on a free port with a folder of its own; killed when the test ends. */
export async function startEtcd(t: Test, flags: readonly string[] = [], scheme = 'http') {
  const folder = mkdtempSync(join(tmpdir(), 'test-etcd-'))
  const [port, peerPort] = [await freePort(), await freePort()]
  const url = `${scheme}://127.0.0.1:${port}`
  const peer = `http://127.0.0.1:${peerPort}`
  let child: ChildProcess | undefined

  async function stop(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  async function start(): Promise<void> {
    const args = [
      `--data-dir=${join(folder, 'data')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync',
      '--log-level=error',
      // The default of 3.4, Debian's, writes whatever the level is.
      '--logger=zap',
    ]
    child = spawn(process.env.TEST_ETCD ?? '', [...args, ...flags], { stdio: 'inherit' })
  }
  t.teardown(async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  const manager = new Http2SessionManager(url, {}, { rejectUnauthorized: false })
  t.teardown(() => manager.abort())
  const client = etcdClient(url, manager)
  if (scheme === 'http') await client.ready()
  return {
    ...client,
    url,
    stop,
    /** Starts it again on the same port and folder. */
    async start() {
      await start()
      await client.ready()
    },
    signal: (signal: NodeJS.Signals) => child?.kill(signal),
  }
}

/** What tests read and write. */
function etcdClient(baseUrl: string, sessionManager: Http2SessionManager) {
  const transport = createGrpcTransport({ baseUrl, sessionManager })
  const kv = createClient(KV, transport)
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

  /** The values of the keys that begin with the prefix, which ends in a slash. */
  async function values(prefix: string): Promise<Record<string, string>> {
    const range = { key: Buffer.from(prefix), rangeEnd: prefixEnd(prefix) }
    const { kvs } = await kv.range(range, { timeoutMs: 5000 })
    return Object.fromEntries(kvs.map(({ key, value }) => [text(key), text(value)]))
  }
  return {
    kv,
    lease: createClient(Lease, transport),
    watch: createClient(Watch, transport),
    values,
    put: (key: string, value: string) =>
      kv.put({ key: Buffer.from(key), value: Buffer.from(value) }),
    delete: (key: string) => kv.deleteRange({ key: Buffer.from(key) }),
    ready: () => until('etcd', () => values('x/').then(Boolean, () => false)),
  }
}

type Peer = 'gozero' | 'kratos' | 'kitex'

/** Runs a program of test/fleet/peers or test/fleet/kitex. Its lines are kept; killed when the test ends. */
export function startPeer(t: Test, name: Peer, args: readonly string[]) {
  const program = join(process.env.TEST_FLEET_PEERS ?? '', name)
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit') as Promise<[number | null]>
  return {
    lines,
    exit,
    /** Resolves when its last line is this one. */
    says: (line: string) => until(`${name} to say ${line}`, () => lines.at(-1) === line),
    /** Ends its standard input, on which it leaves. */
    leave: () => child.stdin.end(),
  }
}
