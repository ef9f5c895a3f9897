// `npm run openapi` writes docs/openapi.json, the OpenAPI document of REST. With `--check` it writes
// nothing and fails when the file is not what it would write.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from './tool.ts'

const file = join(project, 'docs/openapi.json')
const main = join(project, 'src/main.ts')
const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'openapi'], {
  cwd: project,
  encoding: 'utf8',
})
if (status !== 0) throw new Error(stderr)
if (!process.argv.includes('--check')) writeFileSync(file, stdout)
else if (readFileSync(file, 'utf8') !== stdout) {
  console.error('docs/openapi.json is not what `npm run openapi` writes')
  process.exitCode = 1
}
