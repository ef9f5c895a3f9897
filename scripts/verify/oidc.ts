// A real OpenID provider, oidc-provider, which is installed for this step alone.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../tool.ts'
import { find, run } from './command.ts'

const provider = 'oidc-provider@9.13.3'

/** Installs the provider and runs the service with its tokens. */
export async function oidc(): Promise<string> {
  const npm = find('npm')
  const folder = join(project, 'node_modules/.cache/user-service/oidc')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  await run([npm, 'install', '--no-audit', '--no-fund', '--save-exact', provider], { cwd: folder })
  const test = [process.execPath, 'scripts/test.ts', 'test/interop/oidc.check.ts']
  const output = await run(test, { cwd: project, env: { TEST_OIDC: folder } })
  return output.trim().split('\n').at(-1) ?? ''
}
