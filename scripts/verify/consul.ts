// A real Consul, built with Go from test/fleet/consul: 1.14.4, whose licence
// is MPL 2.0; newer ones have another.
import { join } from 'node:path'
import { fleetFolder } from '../fleet-programs.ts'
import { project } from '../tool.ts'
import { find, run } from './command.ts'

/** Builds Consul, which takes up to half an hour the first time, and runs the service against it. */
export async function consul(): Promise<string> {
  const go = find('go')
  const program = join(fleetFolder(), 'consul')
  const module = join(project, 'test/fleet/consul')
  const build = ['build', '-trimpath', '-o', program, 'github.com/hashicorp/consul']
  await run([go, '-C', module, ...build])
  const files = ['test/fleet/consul.check.ts', 'test/app/config/live.test.ts']
  const test = [process.execPath, 'scripts/test.ts', ...files]
  const output = await run(test, { cwd: project, env: { TEST_CONSUL: program } })
  return output.trim().split('\n').at(-1) ?? ''
}
