import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { parse } from 'yaml'
import { findPrometheus } from '../../scripts/prometheus.ts'

const root = new URL('../..', import.meta.url)
const folder = new URL('deploy/prometheus/', root)
const programs = findPrometheus()
const skip = programs ? false : 'there is no promtool'
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

function promtool(...args: string[]) {
  return spawnSync(programs?.promtool ?? '', args, { cwd: root, encoding: 'utf8' })
}

const alerts = () => {
  const { groups } = parse(read('deploy/prometheus/alerts.rules.yaml')) as {
    groups: { rules: { alert: string; annotations: { runbook: string } }[] }[]
  }
  return groups.flatMap(({ rules }) => rules)
}

test('promtool finds nothing wrong with the rules', { skip }, async (t) => {
  for (const file of readdirSync(folder)) {
    const { status, stdout, stderr } = promtool('check', 'rules', `deploy/prometheus/${file}`)
    t.equal(status, 0, `${file}: ${stdout}${stderr}`)
  }
})

test('each alert fires and clears', { skip }, async (t) => {
  const { status, stdout, stderr } = promtool('test', 'rules', 'test/deploy/alerts.yaml')
  t.equal(status, 0, `${stdout}${stderr}`)
})

test('each alert is seen to fire and to clear by the tests of promtool', async (t) => {
  const { tests } = parse(read('test/deploy/alerts.yaml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
  }
  const seen = tests.flatMap(({ alert_rule_test: each }) => each)
  for (const { alert } of alerts()) {
    const own = seen.filter(({ alertname }) => alertname === alert)
    t.ok(
      own.some(({ exp_alerts: fired }) => fired.length > 0),
      `${alert} fires`,
    )
    t.equal(own.at(-1)?.exp_alerts.length, 0, `${alert} clears`)
  }
})

test('each alert has its line in the runbook', async (t) => {
  const headings = read('docs/alerts.md').matchAll(/^### (\w+)$/gm)
  const anchors = Array.from(headings, ([, name = '']) => `docs/alerts.md#${name.toLowerCase()}`)
  t.strictSame(
    alerts().map(({ annotations }) => annotations.runbook),
    anchors,
  )
})

test('promtool tells of a rule that is wrong', { skip }, async (t) => {
  t.throws(() =>
    execFileSync(programs?.promtool ?? '', ['check', 'rules'], {
      input: 'groups: [{ name: a, rules: [{ alert: b, expr: "sum(" }] }]',
      stdio: 'pipe',
    }),
  )
})
