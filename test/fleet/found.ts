import type { Test } from 'tap'
import { etcdRegistry } from '../../src/fleet/etcd/registry.ts'
import type { Discovery } from '../../src/fleet/registry.ts'
import type { RunningEtcd } from '../help/etcd.ts'
import { reported } from './reported.ts'

/** Finds what is announced in etcd, and announces nothing; closed when the test ends. */
export function found(t: Test, { url }: Pick<RunningEtcd, 'url'>): Discovery {
  const { discovery } = etcdRegistry(
    {
      endpoints: [url],
      username: '',
      password: '',
      tls: { caFile: '', certFile: '', keyFile: '' },
      timeoutMs: 3000,
      names: { namespace: '/microservices', goZeroKey: '', kitexName: '' },
      ttl: 10,
    },
    reported().report,
  )
  t.teardown(() => discovery.close())
  return discovery
}
