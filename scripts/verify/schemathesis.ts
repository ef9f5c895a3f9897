// Calls the service as its OpenAPI document allows, and as it does not, by Schemathesis.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { project } from '../tool.ts'
import { run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'
import { venv } from './venv.ts'

const sources = join(project, 'test/interop/schemathesis')

/** Seconds for each of the two APIs: the stateful calls and the fuzzing repeat until then. */
const seconds = process.env.SCHEMATHESIS_SECONDS ?? '600'
/** hooks.py has the same checks, with the rules that a schema cannot say. */
const replaced = [
  'positive_data_acceptance',
  'negative_data_rejection',
  'unsupported_method',
  'allow_header_conformance',
].join()

const seed = process.env.SCHEMATHESIS_SEED ?? '1'

/** Echo of the tests, which has every type of field, in a process of its own. */
async function startEcho() {
  const child = spawn(process.execPath, [join(project, 'test/rest/echo-run.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const line = once(createInterface({ input: child.stdout }), 'line')
  const ended = exit.then(() => Promise.reject(new Error('the server of Echo ended')))
  const [http] = (await Promise.race([line, ended])) as [string]
  ended.catch(() => undefined)
  return {
    http,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** Gives the number of calls. Throws MissingTool without Python, and when a check fails. */
export async function schemathesis(): Promise<string> {
  const programs = await venv('schemathesis', join(sources, 'requirements.txt'))
  using folder = temporaryFolder()
  // It reads its configuration, and what that names, in the current folder, and leaves files there.
  cpSync(sources, folder.path, { recursive: true })
  await using users = await startService({ SQLITE_PATH: join(folder.path, 'users.db') })
  await using echo = await startEcho()
  const results: string[] = []
  const failures: Error[] = []
  for (const [name, http] of Object.entries({ users: users.http, echo: echo.http })) {
    const limits = ['--max-time', seconds, '--seed', seed, '--generation-database', 'none']
    const checks = [
      '--continue-on-failure',
      '--no-color',
      '--checks',
      'all',
      '--exclude-checks',
      replaced,
      // It is about the time that generating takes, with patterns that few texts fit.
      '--suppress-health-check',
      'filter_too_much',
    ]
    const asked = ['run', `http://${http}/openapi.json`, ...checks, ...limits]
    try {
      const output = await run([join(programs, 'st'), ...asked], { cwd: folder.path })
      results.push(`${name} ${/(\d+) generated/.exec(output)?.[1] ?? '0'}`)
    } catch (err) {
      // The other API is called all the same.
      failures.push(err as Error)
    }
  }
  if (failures.length > 0) throw new Error(failures.map(({ message }) => message).join('\n'))
  return `calls without a finding: ${results.join(', ')}`
}
