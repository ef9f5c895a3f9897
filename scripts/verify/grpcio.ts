// Calls the service by Python's grpcio, with stubs that are generated for the run.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { find, run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

const root = join(import.meta.dirname, '../..')
const sources = join(root, 'test/interop/python')
const venv = join(root, 'node_modules/.cache/verify/python')
const python = join(venv, 'bin/python')

const protoFolders = [
  'proto',
  'third_party',
  'node_modules/google-gax/build/protos',
  'node_modules/grpc-health-check/proto',
]
const protoFiles = [
  'api/user/v1/user.proto',
  'buf/validate/validate.proto',
  'health/v1/health.proto',
]

/** Installs the pinned packages, unless the last run has installed these. */
async function install(): Promise<void> {
  const wanted = readFileSync(join(sources, 'requirements.txt'), 'utf8')
  const mark = join(venv, 'installed.txt')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return
  mkdirSync(venv, { recursive: true })
  await run([find('python3'), '-m', 'venv', '--clear', venv])
  const file = join(sources, 'requirements.txt')
  await run([python, '-m', 'pip', 'install', '--quiet', '--no-deps', '-r', file])
  writeFileSync(mark, wanted)
}

async function generate(out: string): Promise<void> {
  const includes = protoFolders.map((folder) => `-I${join(root, folder)}`)
  const outputs = [`--python_out=${out}`, `--grpc_python_out=${out}`]
  await run([python, '-m', 'grpc_tools.protoc', ...includes, ...outputs, ...protoFiles])
}

/** Gives the number of checks. Throws MissingTool without Python, and when a check fails. */
export async function grpcio(): Promise<string> {
  await install()
  using folder = temporaryFolder()
  await generate(folder.path)
  await using service = await startService({ SQLITE_PATH: join(folder.path, 'users.db') })
  const client = join(sources, 'client.py')
  const command = [python, client, service.grpc, service.metrics]
  const output = await run(command, { env: { PYTHONPATH: folder.path } })
  return `${output.match(/^ok /gm)?.length ?? 0} checks passed`
}
