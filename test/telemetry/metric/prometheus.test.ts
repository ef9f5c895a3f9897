import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { test } from 'tap'
import { parse } from 'yaml'
import { findPrometheus } from '../../../scripts/prometheus.ts'
import { type RunningApp, startApp } from '../../help/app.ts'
import { certificates } from '../../help/certificates.ts'
import { startPrometheus } from '../../help/prometheus.ts'
import { audience, startIssuer } from '../../e2e/auth/issuer.ts'
import { clients, mixedCalls } from './mix.ts'
import { noSpans, run, withoutDatabase } from './sums.ts'

t.setTimeout(300_000)

/** Of data.database.pool_size in configs/config.yaml. */
const poolSize = 10

/** A caller that may do all, by its key. */
const key = { id: 'probe', secret: 'a-secret-of-a-test' }

/** Limits that are on and refuse nearly nothing, with a Redis that is not there. */
const limited = {
  CACHE_REDIS: '127.0.0.1:1',
  SHED_ENABLED: 'true',
  QUOTA_ENABLED: 'true',
  QUOTA_RATE: '100000',
  QUOTA_REDIS: '127.0.0.1:1',
}

const programs = findPrometheus()
const skip = programs ? false : 'there is no prometheus'
const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

interface Panel {
  title: string
  targets?: { expr: string }[]
}

/** What the dashboard asks for, with its variables as Grafana would fill them in. */
function dashboardExpressions(): string[] {
  const { panels } = JSON.parse(read('deploy/grafana/user-service.json')) as { panels: Panel[] }
  return panels
    .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    .map((expr) =>
      expr
        .replaceAll('$__rate_interval', '30s')
        .replaceAll('$job', 'user-service')
        .replaceAll('$instance', '.*'),
    )
}

/** What the rules ask for. Of an alert: whether its condition holds, as 0 or 1, so never nothing. */
function ruleExpressions(): string[] {
  const files = ['recording', 'alerts'].map((name) => read(`deploy/prometheus/${name}.rules.yaml`))
  const rules = files.flatMap((text) => {
    const { groups } = parse(text) as { groups: { rules: { expr: string; alert?: string }[] }[] }
    return groups.flatMap((group) => group.rules)
  })
  return rules.map(({ alert, expr }) =>
    alert === undefined
      ? expr
      : expr.replace(/^absent\((.*)\)$/, '$1').replace(/ (==|>=|<=|>|<) /g, ' $1 bool '),
  )
}

function call(url: string, ca: Buffer, headers: Record<string, string>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  https
    .get(url, { ca, headers }, (response) => response.resume().on('end', resolve))
    .on('error', reject)
  return promise
}

async function metricsOf({ metrics }: RunningApp): Promise<string> {
  const response = await fetch(`${metrics}/metrics`)
  return response.text()
}

test('Prometheus has an answer to all that dashboard and rules ask', { skip }, async (t) => {
  const options = { measured: true, spans: noSpans, maxBodyBytes: 1024 }
  const app = await startApp(t, { storage: 'mysql', ...options })
  const { issue, ca } = certificates(t)
  const digest = createHash('sha256').update(key.secret).digest('hex')
  const files = mkdtempSync(join(tmpdir(), 'test-settings-'))
  t.teardown(() => rmSync(files, { recursive: true }))
  writeFileSync(join(files, 'config.yaml'), 'log: {level: info}\n')
  writeFileSync(join(files, 'keys.txt'), `${key.id} ${digest} users:read users:write\n`)
  const issuer = await startIssuer(t)
  const secure = await startApp(t, {
    storage: 'sqlite',
    measured: true,
    file: join(files, 'config.yaml'),
    env: {
      ...limited,
      API_KEYS_FILE: join(files, 'keys.txt'),
      AUTH_ISSUER: issuer.url,
      AUTH_AUDIENCE: audience,
    },
    configure: ({ server }) => Object.assign(server.tls, issue('server')),
  })
  const targets = [app, secure].map(({ metrics }) => new URL(metrics).host)
  const { query } = await startPrometheus(t, targets)
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const headers = { 'content-type': 'application/json' }
  await fetch(`${app.rest.url}/v1/users`, { method: 'POST', headers, body })

  const calls = mixedCalls(clients(t, app))
  const asked = [...dashboardExpressions(), ...ruleExpressions()]
  const open = new Set(asked)
  const until = performance.now() + 120_000
  while (open.size > 0 && performance.now() < until) {
    await run(calls, calls.length * 4, {})
    await withoutDatabase(app, poolSize, () => fetch(`${app.rest.url}/v1/users/1`))
    const url = `${secure.rest.url.replace('http:', 'https:')}/v1/users/1`
    await call(url, ca, { 'x-api-key': `${key.id}.${key.secret}` })
    await call(url, ca, {})
    await call(url, ca, { authorization: `Bearer ${await issuer.token()}` })
    await sleep(500)
    for (const expression of open) {
      const values = await query(expression)
      if (values.some((value) => !Number.isNaN(value))) open.delete(expression)
    }
  }
  t.ok(asked.length > 60)
  t.strictSame([...open], [], 'nothing is without an answer')
  t.strictSame(await query('up'), [1, 1])

  for (const text of [await metricsOf(app), await metricsOf(secure)]) {
    const args = ['check', 'metrics']
    const { status, stderr } = spawnSync(programs?.promtool ?? '', args, {
      input: text,
      encoding: 'utf8',
    })
    t.equal(status, 0, stderr)
  }
})
