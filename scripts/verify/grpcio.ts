// Calls the service by Python's grpcio, with stubs that are generated for the run.
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'
import { venv } from './venv.ts'

const root = join(import.meta.dirname, '../..')
const sources = join(root, 'test/interop/python')

const protoFolders = ['proto', 'third_party', 'node_modules/grpc-health-check/proto']
const otherFiles = ['buf/validate/validate.proto', 'health/v1/health.proto']

async function generate(python: string, out: string): Promise<void> {
  const includes = protoFolders.map((folder) => `-I${join(root, folder)}`)
  const outputs = [`--python_out=${out}`, `--grpc_python_out=${out}`]
  const files = [...globSync('api/**/*.proto', { cwd: join(root, 'proto') }), ...otherFiles]
  await run([python, '-m', 'grpc_tools.protoc', ...includes, ...outputs, ...files])
}

/** Gives the number of checks. Throws MissingTool without Python, and when a check fails. */
export async function grpcio(): Promise<string> {
  const python = join(await venv('python', join(sources, 'requirements.txt')), 'python')
  using folder = temporaryFolder()
  await generate(python, folder.path)
  await using service = await startService({ SQLITE_PATH: join(folder.path, 'users.db') })
  const client = join(sources, 'client.py')
  const command = [python, client, service.grpc, service.metrics]
  const output = await run(command, { env: { PYTHONPATH: folder.path } })
  return `${output.match(/^ok /gm)?.length ?? 0} checks passed`
}
