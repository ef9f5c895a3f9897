import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { project } from '../../scripts/tool.ts'

test('the command that makes a client prints its usage, asked for or not', async (t) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(project, 'scripts/client/main.ts'), ...args], {
      encoding: 'utf8',
    })
  const usage = /^usage: npm run client -- --out DIR/
  t.match(run('--help'), { status: 0, stdout: usage, stderr: '' })
  t.match(run(), { status: 1, stdout: '', stderr: usage })
})
