import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from './tool.ts'

/** What node is given to start the service of a checkout: flags and the file, as its `npm start` has them. */
export function startArguments(folder = project): string[] {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  const { scripts } = JSON.parse(text) as { scripts: { start: string } }
  const [, ...given] = scripts.start.split(' ')
  return [...given.slice(0, -1), join(folder, given.at(-1) ?? '')]
}
