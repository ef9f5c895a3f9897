// Run by `npm run verify -- kitex`, which builds a client of Kitex.
import { test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { startEtcd, startPeer } from '../help/etcd.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

test('a client of Kitex finds the instances in etcd, calls all of them, and sees an error', async (t) => {
  const etcd = await startEtcd(t)
  const running = await Promise.all(
    ['one', 'two'].map((id) =>
      startProcess(t, {
        SQLITE_PATH: freshSqlitePath(t),
        REGISTRY: 'etcd',
        ETCD_ENDPOINTS: etcd.url,
        REGISTRY_ID: id,
        REGISTRY_KITEX_NAME: 'user-service',
      }),
    ),
  )
  const listed = () => etcd.values('kitex/registry-etcd/user-service/')
  await until('both in etcd', async () => Object.keys(await listed()).length === 2)
  const { exit, lines } = startPeer(t, 'kitex', [etcd.url.slice(7), 'user-service'])
  t.strictSame(await exit, [0, null])
  t.equal(lines.filter((line) => line === 'ok SERVING').length, 20)
  const addresses = running.map(({ grpc }) => grpc).toSorted()
  t.ok(lines.includes(JSON.stringify(addresses)), lines.join('\n'))
  // gRPC's code of what is not found.
  t.match(lines.at(-1), /code = 5 desc = .*no\.such\.Service/)
})
