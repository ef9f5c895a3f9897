// Kitex finds the service in etcd, and calls it over gRPC.
import { join } from 'node:path'
import { fleetFolder } from '../fleet-programs.ts'
import { project } from '../tool.ts'
import { find, run } from './command.ts'

/** Builds a client of Kitex, which takes minutes the first time, and runs it against two instances. */
export async function kitex(): Promise<string> {
  const go = find('go')
  const module = join(project, 'test/fleet/kitex')
  await run([go, '-C', module, 'build', '-trimpath', '-o', `${fleetFolder()}/`, '.'])
  const test = [process.execPath, 'scripts/test.ts', 'test/fleet/kitex.check.ts']
  const output = await run(test, { cwd: project })
  return output.trim().split('\n').at(-1) ?? ''
}
