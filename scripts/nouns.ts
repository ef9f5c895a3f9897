// The nouns of the service, such as users: what has a module in src/app and a file in each layer.
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { project } from './tool.ts'

const src = join(project, 'src')

/** Layers with a file for each noun. */
export const layers = ['biz', 'data', 'service']

/** The nouns, by the names of their files. */
export function nouns(): string[] {
  return readdirSync(join(src, 'app'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
    .filter((name) => layers.every((layer) => existsSync(join(src, layer, `${name}.ts`))))
}

/** Whether a file of src is about one noun alone, as `user.ts` and `user-spans.ts` of src/app are. */
export function isOfNoun(file: string): boolean {
  const [, room = ''] = dirname(file).split('/')
  if (![...layers, 'app'].includes(room)) return false
  const name = basename(file, '.ts')
  return nouns().some((noun) => name === noun || name.startsWith(`${noun}-`))
}
