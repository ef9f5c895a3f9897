// Programs of npm packages, started without a shell: `.bin` has scripts that Windows cannot spawn.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The root folder of the project. */
export const project = join(import.meta.dirname, '..')

/**
 * The command line of a program that the package of this name brings: Node, then the program's
 * file. The package is one of the project, or of a folder with packages of its own.
 */
export function tool(
  packageName: string,
  name: string,
  packages = project,
): [node: string, file: string] {
  const folder = join(packages, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    bin: Record<string, string>
  }
  const file = bin[name]
  if (file === undefined) throw new Error(`${packageName} brings no program ${name}`)
  return [process.execPath, join(folder, file)]
}
