// `npm run chart [-- --write]`: Helm on the chart, with each of the sets of values: lint, render,
// and a table
// of wrong values that must be refused. What is rendered is kept in test/deploy/rendered, so that
// the tests
// need no Helm; `--write` renews it, otherwise a difference fails. Helm is built by Go, or HELM
// names it.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { staleChartFiles } from './chart-files.ts'
import { refusedValues } from './chart-refused.ts'
import { goTool, run } from './go-tool.ts'

const project = join(import.meta.dirname, '..')
const chart = join(project, 'deploy/helm/user-service')
const examples = join(project, 'deploy/helm/examples')
/** The folder of the rendered manifests that tests read. */
export const renderedFolder = join(project, 'test/deploy/rendered')

/** The sets of values that must always render, and the flags that give them. */
export const valueSets: Record<string, string[]> = {
  default: [],
  // With a fixed password, since the chart makes a random one otherwise.
  trial: ['-f', join(examples, 'trial.yaml'), '--set', 'mysql.password=trial'],
  production: ['-f', join(examples, 'production.yaml')],
  orders: [
    '--set',
    'services.order.enabled=true,services.order.userApiKey.existingSecret=orders-key,networkPolicy.clients[0].podSelector.matchLabels.a=b',
    '--set-json',
    'networkPolicy.databasePorts=[]',
    '--set',
    'config.metrics.push.endpoint=http://collector:4318,config.config.sources=consul,config.registry.consul.address=consul:8500,config.registry.go_zero_key=${REGISTRY_GO_ZERO_KEY:user.rpc}',
  ],
  everything: ['-f', join(examples, 'everything.yaml')],
}

const release = ['users', chart, '--namespace', 'users']
/** Names that YAML takes for numbers. */
const numbered = ['2024', chart, '--namespace', '7']

/** The SHA-256 of all files that decide the rendered manifests. */
export function chartDigest(): string {
  const hash = createHash('sha256')
  for (const folder of [chart, examples]) {
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'README.md')
      .map((entry) => join(entry.parentPath, entry.name))
    for (const name of names.sort()) hash.update(`${name.slice(project.length)}\n${content(name)}`)
  }
  return hash.digest('hex')
}

/** The text of a file; JSON without white space, which the formatter may change. */
function content(file: string): string {
  const text = readFileSync(file, 'utf8')
  return file.endsWith('.json') ? JSON.stringify(JSON.parse(text)) : text
}

function renderAll(helm: string): Map<string, string> {
  const rendered = Object.entries(valueSets).map(([name, flags]) => {
    const lint = run(helm, ['lint', '--strict', chart, ...flags])
    console.log(`ok   helm lint --strict, ${name}: ${lint.trim().split('\n').at(-1)}`)
    const text = run(helm, ['template', ...(name === 'everything' ? numbered : release), ...flags])
    console.log(`ok   helm template, ${name}: ${text.split(/^kind: /m).length - 1} objects`)
    return [`${name}.yaml`, text] as const
  })
  return new Map([...rendered, ['chart.sha256', `${chartDigest()}\n`]])
}

function checkRendered(rendered: Map<string, string>): string[] {
  return [...rendered]
    .filter(([name, text]) => readFileSync(join(renderedFolder, name), 'utf8') !== text)
    .map(
      ([name]) => `test/deploy/rendered/${name} is not what Helm renders: npm run chart -- --write`,
    )
}

function checkRefusals(helm: string): string[] {
  return refusedValues.flatMap(([value, expected]) => {
    try {
      run(helm, ['template', ...release, ...value])
      return [`${value.join(' ')} is taken`]
    } catch (err) {
      const told = err instanceof Error ? err.message : String(err)
      if (!expected.test(told)) return [`${value.join(' ')} is refused as ${told}`]
      const reason = told.split('\n').findLast((line) => expected.test(line)) ?? ''
      console.log(`ok   refused: ${value.join(' ')}: ${reason.trim()}`)
      return []
    }
  })
}

function main(): number {
  const stale = staleChartFiles()
  const helm = goTool('helm', 'helm.sh/helm/v4/cmd/helm', 'v4.3.1')
  const rendered = renderAll(helm)
  if (process.argv.includes('--write')) {
    mkdirSync(renderedFolder, { recursive: true })
    for (const [name, text] of rendered) writeFileSync(join(renderedFolder, name), text)
  }
  const problems = [
    ...stale.map((file) => `${file} is not fresh: npm run chart:files`),
    ...checkRendered(rendered),
    ...checkRefusals(helm),
  ]
  for (const problem of problems) console.log(`FAIL ${problem}`)
  return problems.length === 0 ? 0 : 1
}

if (import.meta.main) {
  try {
    process.exitCode = main()
  } catch (err) {
    console.error(`chart: ${err instanceof Error ? err.message : String(err)}`)
    process.exitCode = 1
  }
}
