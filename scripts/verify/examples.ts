// Runs examples/python and examples/go as their READMEs say, with code from exported protos.
import { cpSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { project, tool } from '../tool.ts'
import { find, run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'
import { venv } from './venv.ts'

const buf = tool('@bufbuild/buf', 'buf')

/** Writes the protos of the API, with all that they import, as other repositories get them. */
async function exportProtos(folder: string): Promise<void> {
  const command = ['export', project, '--path', join(project, 'proto/api'), '-o', folder]
  await run([...buf, ...command], { cwd: project })
}

/** Runs an example against a service of its own. Throws if it prints anything but these lines. */
async function runExample(
  folder: string,
  commandOf: (address: string) => string[],
  env: Record<string, string>,
  refused: string,
): Promise<string> {
  await using service = await startService({ SQLITE_PATH: join(folder, 'users.db') })
  const output = await run(commandOf(service.grpc), { env })
  const wanted = ['got 1 Ada ada@example.com', 'watched PRESENT 1', 'watched SYNCED 0', refused]
  const lines = output.trim().split('\n')
  if (lines.join('\n') === wanted.join('\n'))
    return 'a user made, read, watched, deleted and missed'
  throw new Error(`the example printed\n${output}instead of\n${wanted.join('\n')}`)
}

/** Throws MissingTool without Python. */
export async function examplePython(): Promise<string> {
  const requirements = join(project, 'test/interop/python/requirements.txt')
  const python = join(await venv('python', requirements), 'python')
  using folder = temporaryFolder()
  const protos = join(folder.path, 'protos')
  await exportProtos(protos)
  const files = globSync(['api/**/*.proto', 'buf/**/*.proto'], { cwd: protos })
  const outputs = [`--python_out=${folder.path}`, `--grpc_python_out=${folder.path}`]
  await run([python, '-m', 'grpc_tools.protoc', '-I.', ...outputs, ...files], { cwd: protos })
  const program = join(project, 'examples/python/main.py')
  return await runExample(
    folder.path,
    (address) => [python, program, address],
    { PYTHONPATH: folder.path },
    'refused NOT_FOUND USER_NOT_FOUND',
  )
}

/** Throws MissingTool without Go. */
export async function exampleGo(): Promise<string> {
  const go = find('go')
  using folder = temporaryFolder()
  const protos = join(folder.path, 'protos')
  const source = join(folder.path, 'go')
  await exportProtos(protos)
  cpSync(join(project, 'examples/go'), source, { recursive: true })
  const paths = ['api', 'buf'].flatMap((name) => ['--path', join(protos, name)])
  await run([...buf, 'generate', protos, ...paths], { cwd: source })
  await run([go, 'vet', './...'], { cwd: source })
  const program = join(folder.path, 'users')
  await run([go, 'build', '-o', program, '.'], { cwd: source })
  return await runExample(
    folder.path,
    (address) => [program, `http://${address}`],
    {},
    'refused not_found USER_NOT_FOUND',
  )
}
