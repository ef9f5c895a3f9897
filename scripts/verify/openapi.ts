import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { project, tool } from '../tool.ts'
import { find, run } from './command.ts'

const document = join(project, 'docs/openapi.json')

/** Linters and a generator of clients, by npx: they are large, and nothing else needs them. */
const packages = {
  redocly: '@redocly/cli@2.11.0',
  spectral: '@stoplight/spectral-cli@6.15.0',
  typescript: 'openapi-typescript@7.10.1',
}

/** Lints docs/openapi.json, then generates types from it and compiles them. */
export async function openapi(): Promise<string> {
  const npx = find('npx')
  const folder = mkdtempSync(join(tmpdir(), 'verify-openapi-'))
  const inFolder = (command: string[]) => run(command, { cwd: folder })
  try {
    await inFolder([npx, '-y', packages.redocly, 'lint', '--extends', 'recommended', document])
    writeFileSync(join(folder, 'rules.yaml'), 'extends: ["spectral:oas"]\n')
    const spectral = [npx, '-y', packages.spectral, 'lint', '-r', 'rules.yaml', '-F', 'error']
    await inFolder([...spectral, document])
    // Its peer is a TypeScript that still has an API.
    const packed = ['-p', packages.typescript, '-p', 'typescript@5.9.3']
    await inFolder([npx, '-y', ...packed, 'openapi-typescript', document, '-o', 'api.ts'])
    await inFolder([...tool('typescript', 'tsc'), '--noEmit', '--strict', 'api.ts'])
    return 'no errors of redocly and spectral; the generated types compile'
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
