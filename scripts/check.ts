// Static checks, each with a line: format, types and lint, then generated files, then the messages of
// commits. All of them run, even if one fails.
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'

import { project, tool } from './tool.ts'

interface Check {
  title: string
  command: string[]
  /** Whether the output of a command that succeeded is a failure; absent if success is enough. */
  fails?: (stdout: string) => boolean
  /** Whether the output is shown if the check succeeds. */
  tells?: boolean
}

const buf = tool('@bufbuild/buf', 'buf')
const script = (name: string) => [process.execPath, join(import.meta.dirname, name)]
const generated = ['src/gen', 'test/conformance/gen']

const checks: Check[] = [
  { title: 'format', command: [...tool('oxfmt', 'oxfmt'), '--check', '.'] },
  { title: 'types', command: tool('typescript', 'tsc') },
  { title: 'lint', command: tool('oxlint', 'oxlint') },
  { title: 'imports between the rooms of src', command: script('rooms.ts') },
  { title: 'exports of src', command: script('exports.ts') },
  { title: 'sizes of files and functions', command: script('sizes.ts') },
  {
    title: 'proto lint',
    command: [...buf, 'lint', '--path', 'proto/api', '--path', 'proto/conf'],
  },
  { title: 'generate', command: [...buf, 'generate'] },
  {
    title: 'generate for tests',
    command: [...buf, 'generate', '--template', 'test/conformance/buf.gen.yaml'],
  },
  {
    title: 'generated code is fresh (`git add` what `npm run gen` writes)',
    command: ['git', 'ls-files', '-mdo', '--exclude-standard', '--', ...generated],
    fails: (changed) => changed !== '',
  },
  { title: 'docs/settings.md is fresh', command: [...script('settings.ts'), '--check'] },
  { title: 'docs/openapi.json is fresh', command: [...script('openapi.ts'), '--check'] },
  { title: 'docs/pictures are fresh', command: [...script('pictures/main.ts'), '--check'] },
  { title: 'commit messages', command: script('commits.ts'), tells: true },
]

/**
 * With the programs of the project, since buf finds protoc-gen-es, and oxlint tsgolint, by PATH.
 */
const path = [join(project, 'node_modules/.bin'), process.env.PATH].join(delimiter)

function run({ title, command: [program = '', ...args], fails, tells }: Check): boolean {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: project,
    env: { ...process.env, PATH: path },
    encoding: 'utf8',
  })
  const ok = status === 0 && !fails?.(stdout)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${title}${ok && tells ? `: ${stdout.trim()}` : ''}`)
  if (!ok) console.log(error?.message ?? `${stdout}${stderr}`)
  return ok
}

process.exitCode = checks.map(run).every(Boolean) ? 0 : 1
