// `npm run openapi` prints the OpenAPI document of REST. With `--write` it writes docs/openapi.json
// instead; with `--check` it fails when that file is not what it would write.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from './tool.ts'

const file = join(project, 'docs/openapi.json')
const main = join(project, 'src/start.js')
const modes = ['--write', '--check']
const args = process.argv.slice(2)
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [main, 'openapi', ...args.filter((each) => !modes.includes(each))],
  { cwd: project, encoding: 'utf8' },
)
if (status !== 0) {
  process.stderr.write(stderr)
  process.exitCode = status ?? 1
} else if (args.includes('--write')) writeFileSync(file, stdout)
else if (!args.includes('--check')) process.stdout.write(stdout)
else if (readFileSync(file, 'utf8') !== stdout) {
  console.error('docs/openapi.json is not what `npm run openapi -- --write` writes')
  process.exitCode = 1
}
