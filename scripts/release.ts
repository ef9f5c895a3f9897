// `npm run release -- 0.2.0`: gives the project that version wherever it is named, and the changes in
// CHANGELOG.md the day of today; commits and tags it. Nothing is pushed.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { requireClean, run } from './new/tree.ts'
import { Refusal } from './new/refusal.ts'
import { project } from './tool.ts'

const form = /^(\d+)\.(\d+)\.(\d+)$/

/** Where the version is named, with what stands before it. */
const places: [file: string, before: RegExp][] = [
  ['package.json', /^ {2}"version": "/m],
  ['deploy/helm/user-service/Chart.yaml', /^(?:version|appVersion): /gm],
  ['deploy/helm/examples/production.yaml', /^ {2}tag: /m],
  ['deploy/compose/compose.yaml', /^ {4}image: user-service:/m],
  ['Dockerfile', /^ARG VERSION=|docker build -t user-service:/gm],
]

function edit(file: string, change: (text: string) => string): void {
  const path = join(project, file)
  const before = readFileSync(path, 'utf8')
  const after = change(before)
  if (after === before) throw new Error(`${file} has no place for the version`)
  writeFileSync(path, after)
}

/** Whether a version comes after another one, or is the first that is released. */
function isNext(version: string, current: string): boolean {
  const numbers = (text: string) => (form.exec(text) ?? []).slice(1).map(Number)
  const [given, known] = [numbers(version), numbers(current)]
  const at = given.findIndex((number, index) => number !== known[index])
  return at < 0 ? tagOf(current) === '' : (given[at] ?? 0) > (known[at] ?? 0)
}

const git = (...args: string[]) => execFileSync('git', args, { cwd: project, encoding: 'utf8' })
const tagOf = (version: string) => git('tag', '--list', `v${version}`).trim()

function release(version: string, today: string): string {
  const { version: current } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as {
    version: string
  }
  if (!form.test(version)) throw new Refusal('usage: npm run release -- MAJOR.MINOR.PATCH')
  requireClean()
  if (!isNext(version, current))
    throw new Refusal(`${version} does not come after ${current}, which is the version now`)
  edit('CHANGELOG.md', (text) =>
    text.replace(/^## \[.*\] - Unreleased$/m, `## [${version}] - ${today}`),
  )
  if (version !== current) renamed(version, current)
  git(
    'commit',
    '--all',
    '--message',
    `chore(release): ${version}`,
    '--message',
    'See CHANGELOG.md.',
  )
  git('tag', '--annotate', `v${version}`, '--message', version)
  return `${version} is committed and tagged as v${version}.
Next: .ci/run, git push --follow-tags, and npm run image. Begin the next changes in CHANGELOG.md with
"## [${version.replace(/\d+$/, (patch) => String(Number(patch) + 1))}] - Unreleased".`
}

function renamed(version: string, current: string): void {
  const escaped = current.replaceAll('.', '\\.')
  for (const [file, before] of places)
    edit(file, (text) =>
      text.replaceAll(new RegExp(`(${before.source})${escaped}`, 'gm'), `$1${version}`),
    )
  run(['npm', 'install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'])
  run([process.execPath, 'scripts/openapi.ts', '--write'])
  // With Helm, which writes the version into each object.
  run([process.execPath, 'scripts/chart.ts', '--write'])
}

try {
  console.log(release(process.argv[2] ?? '', new Date().toISOString().slice(0, 10)))
} catch (err) {
  console.error(err instanceof Refusal ? err.message : err)
  process.exitCode = 1
}
