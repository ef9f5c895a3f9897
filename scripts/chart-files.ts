// `npm run chart:files`: writes what the chart has from elsewhere in the project, since Helm reads
// nothing
// outside of a chart: the settings' schema, the README, and the dashboards and rules. With
// `--check` it
// writes nothing and fails when a file is not what it would write.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'

import { chartReadme } from './chart-readme.ts'
import { confSchema } from './conf-schema.ts'

const project = join(import.meta.dirname, '..')
const chart = join(project, 'deploy/helm/user-service')

/** Each generated file of the chart by its path in the project, with what it must contain. */
function chartFiles(): Map<string, string> {
  const schemaFile = join(chart, 'values.schema.json')
  const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as { properties: object }
  schema.properties = { ...schema.properties, config: confSchema() }
  return new Map([
    [schemaFile, `${JSON.stringify(schema, null, 2)}\n`],
    [join(chart, 'README.md'), chartReadme(readFileSync(join(chart, 'values.yaml'), 'utf8'))],
    ...copies('deploy/prometheus', '.yaml', (text) => 'groups' in (parse(text) as object)),
    ...copies('deploy/grafana', '.json', (text) => 'panels' in (JSON.parse(text) as object)),
  ])
}

/** The rules and dashboards in a folder, without the tests and settings beside them. */
function copies(folder: string, ending: string, wanted: (text: string) => boolean) {
  const source = join(project, folder)
  if (!existsSync(source)) return []
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => [name, readFileSync(join(source, name), 'utf8')] as const)
    .filter(([, text]) => wanted(text))
    .map(
      ([name, text]) => [join(chart, copyFolder(folder), name.replaceAll('/', '-')), text] as const,
    )
}

function copyFolder(folder: string): string {
  return join('files', folder.slice('deploy/'.length))
}

/** Copies without an original. */
function leftOver(wanted: Map<string, string>): string[] {
  return ['files/prometheus', 'files/grafana']
    .map((folder) => join(chart, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((file) => !wanted.has(file))
}

/**
 * Whether a file has this text. White space of JSON is ignored, since the formatter may change it.
 */
function isFresh(file: string, text: string): boolean {
  if (!existsSync(file)) return false
  const found = readFileSync(file, 'utf8')
  if (!file.endsWith('.json')) return found === text
  return JSON.stringify(JSON.parse(found)) === JSON.stringify(JSON.parse(text))
}

/** The files whose contents differ from the expected ones. */
export function staleChartFiles(): string[] {
  const wanted = chartFiles()
  const stale = [...wanted].filter(([file, text]) => !isFresh(file, text)).map(([file]) => file)
  return [...stale, ...leftOver(wanted)].map((file) => file.slice(project.length + 1))
}

function write(): void {
  const wanted = chartFiles()
  for (const file of leftOver(wanted)) rmSync(file)
  for (const [file, text] of [...wanted].filter(([file, text]) => !isFresh(file, text))) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

if (import.meta.main) {
  if (!process.argv.includes('--check')) write()
  const stale = staleChartFiles()
  for (const file of stale) console.error(`${file} is not fresh: run npm run chart:files`)
  process.exitCode = stale.length === 0 ? 0 : 1
}
