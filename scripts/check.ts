// Static checks, in order of what fails most often and cheapest: generated code fresh, types, lint, format.
import { spawnSync } from 'node:child_process'

const checks: [title: string, command: string, ...args: string[]][] = [
  ['format', 'oxfmt', '--check', '.'],
  ['types', 'tsc'],
  ['lint', 'oxlint'],
  ['proto lint', 'buf', 'lint', '--path', 'proto/api', '--path', 'proto/conf'],
  ['generate', 'buf', 'generate'],
  ['generate for tests', 'buf', 'generate', '--template', 'test/conformance/buf.gen.yaml'],
  [
    'generated code is fresh (commit what `npm run gen` writes)',
    'git',
    'status',
    '--porcelain',
    '--',
    'src/gen',
    'test/conformance/gen',
  ],
]

function run([title, command, ...args]: (typeof checks)[number]): boolean {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  // `git status` succeeds either way: what it prints is what differs.
  const ok = status === 0 && (command !== 'git' || stdout === '')
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${title}`)
  if (!ok) console.log(error?.message ?? `${stdout}${stderr}`)
  return ok
}

process.exitCode = checks.map(run).every(Boolean) ? 0 : 1
