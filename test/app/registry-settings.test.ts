import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { test } from 'tap'
import { checkSettings } from '../../src/app/settings/check.ts'
import { readConf } from '../../src/conf/conf.ts'
import { ConfError } from '../../src/conf/error.ts'
import { certificates } from '../help/certificates.ts'

const text = readFileSync(new URL('../../configs/config.yaml', import.meta.url), 'utf8')

type Env = Record<string, string>

function problems(env: Env): readonly string[] {
  const all = { SQLITE_PATH: ':memory:', ...env }
  try {
    readConf({ text, origin: 'config.yaml' }, { env: all, check: checkSettings(all) })
    return []
  } catch (err) {
    if (err instanceof ConfError) return err.problems
    throw err
  }
}

const etcd = { REGISTRY: 'etcd', ETCD_ENDPOINTS: 'etcd-0:2379,etcd-1:2379', POD_IP: '10.0.0.1' }
const consul = { REGISTRY: 'consul', CONSUL_ADDRESS: 'localhost:8500', POD_IP: '10.0.0.1' }

/** Variables over those above, and what is told; nothing where they can be used. */
const cases: [env: Env, told: RegExp | undefined][] = [
  [etcd, undefined],
  [consul, undefined],
  [{ REGISTRY: 'kubernetes' }, undefined],
  [{ ...etcd, ETCD_ENDPOINTS: 'https://etcd:2379' }, undefined],
  [{ ...etcd, POD_IP: 'fd00::1' }, undefined],
  [{ ...etcd, ETCD_ENDPOINTS: '' }, /registry\.etcd\.endpoints \(ETCD_ENDPOINTS\): found nothing/],
  [{ ...etcd, ETCD_ENDPOINTS: 'etcd:2379,a b' }, /found "http:\/\/a b", must be members such as/],
  [{ ...etcd, ETCD_ENDPOINTS: 'redis://etcd:2379' }, /found "redis:\/\/etcd:2379", must be/],
  [{ ...etcd, ETCD_PASSWORD: 'hunter2' }, /registry\.etcd\.username.*a password is given/],
  [{ ...etcd, ETCD_TLS_CA_FILE: '/no.pem' }, /registry\.etcd\.tls\.ca_file.*does not exist/],
  [
    { ...etcd, REGISTRY_ADVERTISE: '10.0.0.1:9000' },
    /registry\.advertise .*must be a host name or/,
  ],
  [{ ...etcd, REGISTRY_ADVERTISE: 'http://h' }, /registry\.advertise .*must be a host name or/],
  [{ ...consul, CONSUL_ADDRESS: '' }, /registry\.consul\.address \(CONSUL_ADDRESS\): found ""/],
  [{ ...consul, CONSUL_ADDRESS: 'http://h/x' }, /registry\.consul\.address .*such as localhost/],
  [
    { REGISTRY: 'kubernetes', KUBERNETES_API: 'api' },
    /registry\.kubernetes\.server .*must be a URL/,
  ],
  [{ ...etcd, REGISTRY: 'off', ETCD_ENDPOINTS: 'a b' }, undefined],
]

test('the settings of the chosen registry are checked before anything is opened', async (t) => {
  for (const [env, told] of cases) {
    const found = problems(env)
    if (told === undefined) t.strictSame(found, [], JSON.stringify(env))
    else t.match(found, [told], JSON.stringify(env))
    t.notMatch(found.join(), /hunter2/)
  }
})

test('a certificate for etcd needs its key', async (t) => {
  const { certFile } = certificates(t).issue('client')
  t.match(problems({ ...etcd, ETCD_TLS_CERT_FILE: certFile }), [
    /registry\.etcd\.tls\.key_file.*must be both or neither/,
  ])
})

test('a machine with several addresses has to be told which one clients can reach', async (t) => {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all = []) => all)
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  const found = problems({ ...etcd, POD_IP: '' })
  if (addresses.length === 1) t.strictSame(found, [])
  else {
    const named = addresses.length === 0 ? 'no IPv4 address but loopback' : addresses.join(', ')
    t.match(found, [
      /registry\.advertise \(REGISTRY_ADVERTISE\): found nothing, and this machine has/,
    ])
    t.match(found[0], named)
  }
  t.strictSame(problems({ ...etcd, POD_IP: '', REGISTRY_NAME: '' }), [], 'only looks up')
  const listening = { HTTP_ADDR: '127.0.0.1:8000', GRPC_ADDR: '127.0.0.1:9000' }
  t.strictSame(problems({ ...etcd, POD_IP: '', ...listening }), [])
})
