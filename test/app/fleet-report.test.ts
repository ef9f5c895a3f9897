import pino from 'pino'
import { test } from 'tap'
import { fleetReport } from '../../src/app/fleet/report.ts'
import { watchers } from '../../src/app/watch.ts'
import { redacted } from '../../src/telemetry/log/redact.ts'

test('the lines of a list say which service it is of', async (t) => {
  const lines: object[] = []
  const log = pino(
    { formatters: { log: redacted } },
    { write: (line) => lines.push(JSON.parse(line) as object) },
  )
  const { report } = fleetReport('etcd', watchers({ log }))
  report.stale('order.service', 'the connection is lost')
  report.listed('order.service', 2)
  t.match(lines, [{ looked_up: 'order.service' }, { looked_up: 'order.service', instances: 2 }])
})
