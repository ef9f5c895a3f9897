// Sends traces through a real OpenTelemetry Collector to a real Jaeger and asks them back:
// `npm run verify:tracing`. It needs Go, which builds both; neither is part of this project. Programs that
// are there already can be named by TRACING_COLLECTOR and TRACING_JAEGER.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const collectorVersion = 'v0.162.0'
const jaegerVersion = 'v1.76.0'
const root = join(import.meta.dirname, '..')
const cache = join(root, 'node_modules/.cache/tracing')

/** A build takes minutes and writes nothing itself. */
function say(text: string): void {
  console.log(`verify:tracing: ${text}`)
}

function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
  return stdout
}

/** The Collector of test/interop/collector, which has OTLP in and out and nothing else. */
function collector(): string {
  const program = join(cache, `collector-${collectorVersion}`)
  if (existsSync(program)) return program
  say(`builds the OpenTelemetry Collector ${collectorVersion} with Go; that takes minutes, once`)
  const source = join(cache, 'collector')
  cpSync(join(root, 'test/interop/collector'), source, { recursive: true })
  writeFileSync(join(source, 'go.mod'), 'module collector\n\ngo 1.26\n')
  const modules = [
    'otelcol',
    'receiver/otlpreceiver',
    'exporter/otlpexporter',
    'processor/batchprocessor',
  ]
  const wanted = modules.map((name) => `go.opentelemetry.io/collector/${name}@${collectorVersion}`)
  run(source, 'go', 'get', ...wanted)
  run(source, 'go', 'mod', 'tidy')
  say('has its modules, and compiles it')
  run(source, 'go', 'build', '-o', program, '.')
  return program
}

/** Its module replaces others, so `go install` refuses it; and its user interface is not needed. */
function jaeger(): string {
  const program = join(cache, `jaeger-${jaegerVersion}`)
  if (existsSync(program)) return program
  say(`builds Jaeger ${jaegerVersion} with Go; that takes minutes, once`)
  const module = `github.com/jaegertracing/jaeger@${jaegerVersion}`
  const { Dir } = JSON.parse(run(cache, 'go', 'mod', 'download', '-json', module)) as {
    Dir: string
  }
  const source = join(cache, 'jaeger')
  run(cache, 'cp', '-r', Dir, source)
  run(cache, 'chmod', '-R', 'u+w', source)
  writeFileSync(join(source, 'cmd/query/app/ui/actual/none'), '')
  say('has its modules, and compiles it')
  run(source, 'go', 'build', '-o', program, './cmd/all-in-one')
  return program
}

mkdirSync(cache, { recursive: true })
const env = {
  ...process.env,
  TRACING_COLLECTOR: process.env.TRACING_COLLECTOR ?? collector(),
  TRACING_JAEGER: process.env.TRACING_JAEGER ?? jaeger(),
}
say('sends traces through the Collector to Jaeger')
const checks = ['jaeger.check.ts', 'jaeger-fleet.check.ts'].map((name) =>
  join(root, 'test/interop', name),
)
const args = [join(root, 'scripts/test.ts'), ...checks]
process.exitCode = spawnSync(process.execPath, args, { env, stdio: 'inherit' }).status ?? 1
