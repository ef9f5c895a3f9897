// What takes minutes or needs other tools: `npm run verify [-- STEP…]`. Without names all steps
// run, and
// those whose tools are missing are passed over; a step that is asked for by name must run.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { builtEtcd } from './fleet-programs.ts'
import { interopSteps } from './verify/clients.ts'
import { busy } from './verify/busy.ts'
import { clientPackage } from './verify/client-package.ts'
import { envoy } from './verify/envoy.ts'
import { find, MissingTool, run } from './verify/command.ts'
import { consul } from './verify/consul.ts'
import { connectGo, grpcGo, kratosTokens } from './verify/go.ts'
import { exampleGo, examplePython } from './verify/examples.ts'
import { grpcio } from './verify/grpcio.ts'
import { kitex } from './verify/kitex.ts'
import { million } from './verify/million.ts'
import { oidc } from './verify/oidc.ts'
import { newNouns } from './verify/new.ts'
import { openapi } from './verify/openapi.ts'
import { schemathesis } from './verify/schemathesis.ts'
import { shedding } from './verify/shedding.ts'
import { idleWatchers } from './verify/watchers.ts'

interface Step {
  name: string
  /** Runs the step and returns a summary. Throws MissingTool if it cannot run. */
  go: () => Promise<string>
}

const root = join(import.meta.dirname, '..')
const node = process.execPath

/** Runs a test file, with variables that make it thorough, and flags of tap. */
function testFile(
  file: string,
  env: Record<string, string> = {},
  flags: string[] = [],
): () => Promise<string> {
  return async () => {
    const output = await run([node, 'scripts/test.ts', file, ...flags], { cwd: root, env })
    return output.trim().split('\n').at(-1) ?? ''
  }
}

/** A step that builds programs with Go. */
function withGo(go: () => Promise<string>): () => Promise<string> {
  return async () => {
    find('go')
    return go()
  }
}

/** As `testFile`, with the newest etcd; `npm test` may have an old one of the machine. */
function onNewestEtcd(...[file, env, flags]: Parameters<typeof testFile>): () => Promise<string> {
  return withGo(async () => testFile(file, { ...env, TEST_ETCD: await builtEtcd() }, flags)())
}

/** Runs a script of package.json, where there is one. */
function npmScript(name: string, file: string, tool: string): () => Promise<string> {
  return async () => {
    if (!existsSync(join(root, file))) throw new MissingTool(`the script ${file}`)
    find(tool)
    const output = await run([node, file], { cwd: root })
    return output.trim().split('\n').at(-1) ?? name
  }
}

/** Stricter limits than in `npm test`, for a machine without other load. */
const strict = { HOSTILE_SERVED_MS: '100' }

const steps: Step[] = [
  { name: 'outage', go: testFile('test/e2e/outage.test.ts', { OUTAGE_MS: '10000' }) },
  {
    name: 'coalesced',
    go: testFile('test/data/batch/coalesced.test.ts', { COALESCED_STEPS: '100000' }),
  },
  // etcd is away for longer than all leases.
  {
    name: 'etcd',
    go: onNewestEtcd('test/fleet/etcd-announce.test.ts', { FLEET_DOWN_MS: '25000' }),
  },
  { name: 'consul', go: consul },
  { name: 'envoy', go: envoy },
  { name: 'kitex', go: kitex },
  {
    name: 'chaos',
    go: onNewestEtcd('test/fleet/chaos.check.ts', {}, ['--timeout=1200']),
  },
  { name: 'kill', go: testFile('test/e2e/kill.test.ts', { KILL_USERS: '10000' }) },
  { name: 'hostile', go: testFile('test/e2e/hostile.test.ts', strict) },
  { name: 'hostile-h2', go: testFile('test/e2e/hostile-h2.test.ts', strict) },
  {
    name: 'heads',
    go: testFile('test/e2e/heads.test.ts', { HEADS_RUNS: '50000' }, ['--timeout=1200']),
  },
  {
    name: 'auth',
    go: testFile('test/e2e/auth/fuzz.test.ts', { AUTH_RUNS: '50000' }, ['--timeout=1200']),
  },
  {
    name: 'sums',
    go: testFile('test/telemetry/metric/sums.test.ts', { SUMS_CALLS: '20000' }, ['--timeout=1200']),
  },
  {
    name: 'cardinality',
    go: testFile('test/telemetry/metric/cardinality.test.ts', { CARDINALITY_EACH: '25000' }),
  },
  { name: 'oidc', go: oidc },
  { name: 'conformance', go: npmScript('conformance', 'scripts/conformance.ts', 'go') },
  { name: 'interop', go: npmScript('interop', 'scripts/interop.ts', 'go') },
  ...interopSteps,
  { name: 'connect-go', go: connectGo },
  { name: 'grpc-go', go: grpcGo },
  { name: 'kratos-tokens', go: kratosTokens },
  { name: 'grpcio', go: grpcio },
  { name: 'example-python', go: examplePython },
  { name: 'example-go', go: exampleGo },
  {
    name: 'kratos-servers',
    go: withGo(
      testFile('test/interop/kratos-servers.check.ts', { REST_RUNS: '2000' }, ['--timeout=600']),
    ),
  },
  { name: 'million', go: million },
  { name: 'shedding', go: shedding },
  { name: 'new', go: newNouns },
  { name: 'client-package', go: clientPackage },
  { name: 'openapi', go: openapi },
  {
    name: 'streams',
    go: testFile('test/rest/stream/large.test.ts', { STREAM_MIB: '1024' }, ['--timeout=1800']),
  },
  { name: 'schemathesis', go: schemathesis },
  { name: 'watchers', go: idleWatchers },
  { name: 'busy', go: busy },
]

interface Outcome {
  name: string
  result: string
  ok: boolean
  seconds: number
}

async function outcomeOf({ name, go }: Step, asked: boolean): Promise<Outcome> {
  const begin = performance.now()
  console.log(`\n── ${name}`)
  try {
    const result = `ok: ${await go()}`
    return { name, result, ok: true, seconds: (performance.now() - begin) / 1000 }
  } catch (err) {
    const missing = err instanceof MissingTool
    const message = err instanceof Error ? err.message : String(err)
    const result = missing ? `not run: needs ${message}` : `FAILED: ${message}`
    console.log(result)
    return {
      name,
      result: result.split('\n', 1)[0] ?? '',
      ok: missing && !asked,
      seconds: (performance.now() - begin) / 1000,
    }
  }
}

async function main(): Promise<void> {
  const asked = process.argv.slice(2)
  const unknown = asked.filter((name) => !steps.some((step) => step.name === name))
  if (unknown.length > 0) {
    const names = steps.map(({ name }) => name).join(', ')
    throw new Error(`there is no step ${unknown.join(', ')}; the steps are ${names}`)
  }
  const outcomes: Outcome[] = []
  for (const step of steps)
    if (asked.length === 0 || asked.includes(step.name))
      outcomes.push(await outcomeOf(step, asked.length > 0))
  console.log('\n| step | result | seconds |\n| --- | --- | --- |')
  for (const { name, result, seconds } of outcomes)
    console.log(`| ${name} | ${result} | ${seconds.toFixed(0)} |`)
  process.exitCode = outcomes.every(({ ok }) => ok) ? 0 : 1
}

try {
  await main()
} catch (err) {
  console.error(`verify: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
