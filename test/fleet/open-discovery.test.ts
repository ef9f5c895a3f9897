import { readFileSync } from 'node:fs'
import pino from 'pino'
import { test } from 'tap'
import { openDiscovery } from '../../src/app/fleet/fleet.ts'
import { watchers } from '../../src/app/watch.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { startEtcd, withoutEtcd } from '../help/etcd.ts'
import { follow } from './reported.ts'

const text = readFileSync(new URL('../../configs/config.yaml', import.meta.url), 'utf8')
const watch = watchers({ log: pino({ level: 'silent' }) })

const registryOf = (env: Record<string, string>) =>
  loadConf({ text, origin: 'config.yaml' }, env).registry

test(
  'a command finds services by the settings, and announces nothing',
  { skip: withoutEtcd },
  async (t) => {
    const etcd = await startEtcd(t)
    const env = { REGISTRY: 'etcd', ETCD_ENDPOINTS: etcd.url }
    const discovery = await openDiscovery(registryOf(env), watch)
    if (!discovery) throw new Error('there is no discovery')
    t.teardown(() => discovery.close())
    const endpoints = ['grpc://10.0.0.1:9000']
    await etcd.put(
      '/microservices/orders/a',
      JSON.stringify({ id: 'a', name: 'orders', endpoints }),
    )
    await follow(discovery, 'orders').finds(...endpoints)
    t.strictSame(Object.keys(await etcd.values('/microservices/user.service/')), [])
  },
)

test('there is no discovery where the registry is off', async (t) => {
  t.equal(await openDiscovery(registryOf({}), watch), undefined)
})
