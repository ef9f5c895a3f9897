import { test, type Test } from 'tap'
import { etcdRegistry } from '../../src/fleet/etcd/registry.ts'
import { certificates } from '../help/certificates.ts'
import { startEtcd, withoutEtcd } from '../help/etcd.ts'
import { follow, reported } from './reported.ts'

const real = { skip: withoutEtcd }
const instance = {
  id: 'a',
  name: 'user.service',
  version: '',
  metadata: {},
  endpoints: ['grpc://10.0.0.1:9000'],
}

function registry(t: Test, url: string, options = {}) {
  const told = reported()
  const names = { namespace: '/microservices', goZeroKey: '', kitexName: '' }
  const own = {
    endpoints: [url],
    username: '',
    password: '',
    tls: { caFile: '', certFile: '', keyFile: '' },
    timeoutMs: 3000,
    names,
    ttl: 10,
    ...options,
  }
  const made = etcdRegistry(own, told.report)
  t.teardown(async () => {
    await made.registrar.withdraw()
    await made.discovery.close()
  })
  return { ...told, ...made }
}

/** etcd with accounts: root, and `service`, which may use the keys below /microservices/. */
async function guardedEtcd(t: Test) {
  const etcd = await startEtcd(t, ['--auth-token-ttl=1'])
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  async function call(path: string, body: object): Promise<void> {
    const response = await fetch(`${etcd.url}/v3/auth/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  }
  const perm = {
    permType: 'READWRITE',
    key: base64('/microservices/'),
    range_end: base64('/microservices0'),
  }
  await call('user/add', { name: 'root', password: 'secret' })
  await call('role/add', { name: 'root' })
  await call('user/grant', { user: 'root', role: 'root' })
  await call('user/add', { name: 'service', password: 'hunter2' })
  await call('role/add', { name: 'registry' })
  await call('role/grant', { name: 'registry', perm })
  await call('user/grant', { user: 'service', role: 'registry' })
  await call('enable', {})
  return etcd
}

test('an account announces, and is announced again when its token has ended', real, async (t) => {
  const etcd = await guardedEtcd(t)
  const account = { username: 'service', password: 'hunter2', ttl: 2 }
  const { registrar, says, told } = registry(t, etcd.url, account)
  registrar.announce(instance)
  await says(/^announced kratos/)
  // Neither the token nor the lease outlives this.
  etcd.signal('SIGSTOP')
  await says(/^lost kratos/)
  etcd.signal('SIGCONT')
  await says(/^announced kratos/, 2)
  t.notMatch(told.join('\n'), /hunter2/)
})

test('a wrong password is told, and not shown', real, async (t) => {
  const etcd = await guardedEtcd(t)
  const { registrar, says, told } = registry(t, etcd.url, {
    username: 'service',
    password: 'hunter3',
  })
  registrar.announce(instance)
  await says(/^lost kratos: .*authentication failed/)
  t.notMatch(told.join('\n'), /hunter/)
})

test('etcd is reached over TLS with a certificate of the client', real, async (t) => {
  const authority = certificates(t)
  const [server, client] = [authority.issue('server'), authority.issue('client')]
  const etcd = await startEtcd(
    t,
    [
      `--cert-file=${server.certFile}`,
      `--key-file=${server.keyFile}`,
      `--trusted-ca-file=${authority.caFile}`,
      '--client-cert-auth',
    ],
    'https',
  )
  const { certFile, keyFile } = client
  const tls = { caFile: authority.caFile, certFile, keyFile }
  const known = registry(t, etcd.url, { tls })
  known.registrar.announce(instance)
  const { finds } = follow(known.discovery, 'user.service')
  await finds('grpc://10.0.0.1:9000')

  const unknown = registry(t, etcd.url, { tls: { ...tls, certFile: '', keyFile: '' } })
  unknown.registrar.announce(instance)
  await unknown.says(/^lost kratos: https:/)
})
