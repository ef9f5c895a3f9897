import { readFileSync } from 'node:fs'
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { type Managed, managed } from '../../http2/managed-session.ts'
import { Auth, KV, Lease, Maintenance, Watch } from '../../gen/etcd/rpc_pb.ts'
import type { Report } from '../report.ts'

/** How etcd is reached. */
export interface EtcdOptions {
  /** `http://host:port` or `https://host:port`; one is used until it fails. */
  endpoints: readonly string[]
  /** Empty: no account. */
  username: string
  password: string
  /** PEM files for https, read for each connection; empty: the known authorities, no certificate. */
  tls: { caFile: string; certFile: string; keyFile: string }
  /** For each call. */
  timeoutMs: number
}

/** Clients of one member of etcd, as the account of the settings. */
export interface EtcdSession {
  kv: Client<typeof KV>
  lease: Client<typeof Lease>
  watch: Client<typeof Watch>
}

/**
 * A dead connection is noticed after both times. idleConnectionTimeoutMs has to be longer than the
 * longest pause between tries.
 */
const http2 = { pingIntervalMs: 5_000, pingTimeoutMs: 3_000, idleConnectionTimeoutMs: 60_000 }
const statusTimeoutMs = 2_000

/**
 * Connects when it is first needed, and to the next endpoint after a failure. The members' own list of
 * addresses is not asked for: it often has names that are known inside of etcd's network only.
 */
export function etcdConnection(options: EtcdOptions, connecting: Report['connecting']) {
  const { endpoints, username, password, timeoutMs } = options
  const managers = new Map<string, Managed>()
  const facts = { 'etcd.endpoints': endpoints.join(), 'etcd.dial_timeout': `${timeoutMs}ms` }
  let turn = 0
  let opening: Promise<EtcdSession> | undefined
  let session: EtcdSession | undefined

  function managerOf(url: string): Managed {
    const known = managers.get(url)
    if (known && !['closed', 'error'].includes(known.state())) return known
    const manager = managed(url, http2, certificates(options.tls))
    managers.set(url, manager)
    return manager
  }

  async function connect(): Promise<EtcdSession> {
    const url = endpoints[turn % endpoints.length] ?? ''
    try {
      const manager = managerOf(url)
      const token = username === '' ? '' : await tokenOf(url, manager)
      const transport = transportOf(url, manager, token)
      await createClient(Maintenance, transport)
        .status({}, { timeoutMs: Math.min(statusTimeoutMs, timeoutMs) })
        .catch(unlessDenied)
      const [kv, lease, watch] = [
        createClient(KV, transport),
        createClient(Lease, transport),
        createClient(Watch, transport),
      ]
      return { kv, lease, watch }
    } catch (cause) {
      turn += 1
      // It has no time of its own: each further try would wait for the same handshake.
      const unopened = managers.get(url)
      if (unopened?.state() === 'connecting') unopened.abort()
      throw new Error(`${url}: ${ConnectError.from(cause).rawMessage}`, { cause })
    }
  }

  async function tokenOf(url: string, manager: Managed): Promise<string> {
    const auth = createClient(Auth, transportOf(url, manager, ''))
    const { token } = await auth.authenticate({ name: username, password }, { timeoutMs })
    return token
  }

  async function openAnew(): Promise<EtcdSession> {
    try {
      session = await connecting(facts, connect)
      return session
    } catch (err) {
      opening = undefined
      throw err
    }
  }

  return {
    /** The session, which is made when there is none. */
    open: (): Promise<EtcdSession> => (opening ??= openAnew()),
    /** Leaves a session after a failure of it, and its member, unless another one was opened since. */
    leave(failed: EtcdSession, err: unknown): void {
      if (isDenied(err) || failed !== session) return
      opening = undefined
      turn += 1
    },
    close(): void {
      for (const manager of managers.values()) manager.abort()
    },
  }
}

/** Asks etcd to answer with an error while it has no leader; a watch would be silent. */
const needsLeader = { hasleader: 'true' }

function transportOf(baseUrl: string, sessionManager: Managed, token: string) {
  const headers = { ...needsLeader, ...(token !== '' && { token }) }
  return createGrpcTransport({
    baseUrl,
    sessionManager,
    interceptors: [
      (next) =>
        function identify(req) {
          for (const [name, value] of Object.entries(headers)) req.header.set(name, value)
          return next(req)
        },
    ],
  })
}

function certificates({ caFile, certFile, keyFile }: EtcdOptions['tls']) {
  return {
    ...(caFile !== '' && { ca: readFileSync(caFile) }),
    ...(certFile !== '' && { cert: readFileSync(certFile), key: readFileSync(keyFile) }),
  }
}

/** An account without the permission is known to etcd: another connection would not help. */
function isDenied(err: unknown): boolean {
  return err instanceof ConnectError && err.code === Code.PermissionDenied
}

function unlessDenied(err: unknown): void {
  if (!isDenied(err)) throw err
}
