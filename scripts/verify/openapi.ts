import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { validate } from '@readme/openapi-parser'
import { Validator } from '@seriousme/openapi-schema-validator'
import { project, tool } from '../tool.ts'
import { find, run } from './command.ts'
import { temporaryFolder } from './service.ts'
import { venv } from './venv.ts'

/** Linters and a generator of clients, by npx: they are large, and nothing else needs them. */
const packages = {
  redocly: '@redocly/cli@2.11.0',
  spectral: '@stoplight/spectral-cli@6.15.0',
  typescript: 'openapi-typescript@7.10.1',
}

/** Settings under which the document has security schemes. */
const guarded = {
  AUTH_ISSUER: 'https://id.example.com',
  AUTH_AUDIENCE: 'users',
  AUTH_JWKS_URL: 'https://id.example.com/keys',
}

/** Two of the three validators; they get copies, since they change what they are given. */
async function isValid(file: string): Promise<void> {
  const copy = () => JSON.parse(readFileSync(file, 'utf8')) as never
  const { valid, errors } = await new Validator().validate(copy())
  if (!valid) throw new Error(`${file}: ${JSON.stringify(errors)}`)
  const result = await validate(copy())
  if (!result.valid) throw new Error(`${file}: ${JSON.stringify(result.errors)}`)
}

/** Validates and lints the document of the service, and compiles types that are generated from it. */
async function examined(file: string, folder: string): Promise<void> {
  const npx = find('npx')
  const inFolder = (command: string[]) => run(command, { cwd: folder })
  await isValid(file)
  await inFolder([npx, '-y', packages.redocly, 'lint', '--extends', 'recommended', file])
  writeFileSync(join(folder, 'rules.yaml'), 'extends: ["spectral:oas"]\n')
  const spectral = [npx, '-y', packages.spectral, 'lint', '-r', 'rules.yaml', '-F', 'error']
  await inFolder([...spectral, file])
  // Its peer is a TypeScript that still has an API.
  const packed = ['-p', packages.typescript, '-p', 'typescript@5.9.3']
  await inFolder([npx, '-y', ...packed, 'openapi-typescript', file, '-o', 'api.ts'])
  await inFolder([...tool('typescript', 'tsc'), '--noEmit', '--strict', 'api.ts'])
}

/** The document of the service as it is without settings, and of one that asks for credentials. */
export async function openapi(): Promise<string> {
  using folder = temporaryFolder()
  const open = join(project, 'docs/openapi.json')
  const closed = join(folder.path, 'guarded.json')
  const made = [process.execPath, join(project, 'src/start.js'), 'openapi']
  const text = await run(made, { cwd: project, env: guarded, shown: false })
  if (!text.includes('"securitySchemes"')) throw new Error('the document has no securitySchemes')
  writeFileSync(closed, text)
  const programs = await venv('openapi', join(project, 'test/interop/openapi/requirements.txt'))
  await run([join(programs, 'openapi-spec-validator'), open, closed])
  for (const file of [open, closed]) await examined(file, folder.path)
  return 'valid by three validators, no errors of redocly and spectral, and generated types compile, with and without credentials'
}
