// What a page needs to run modules of this project without a bundler: where the browser finds what
// packages export, and scripts without their types.
import { readFile } from 'node:fs/promises'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { project } from './tool.ts'

const require = createRequire(import.meta.url)
const packages = ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-web']

/** The entries of an import map, by the names that packages export. */
export function packageImports(): Record<string, string> {
  const entries = packages.flatMap((name) => {
    const { exports } = require(join(project, 'node_modules', name, 'package.json')) as {
      exports: Record<string, { import: string }>
    }
    return Object.entries(exports).map(([path, { import: file }]) => [
      `${name}${path.slice(1)}`,
      `/node_modules/${name}/${file.slice(2)}`,
    ])
  })
  return Object.fromEntries(entries) as Record<string, string>
}

/** The text of a module of the project as a browser runs it. */
export async function browserScript(path: string): Promise<string> {
  const source = await readFile(join(project, path), 'utf8')
  return path.endsWith('.ts') ? stripTypeScriptTypes(source) : source
}
