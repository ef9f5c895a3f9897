// `npm run image -- OUT`: the image's file tree without a container engine, in an empty folder, and
// its size.
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'

import { buildImage, type Image } from './dockerfile.ts'

const project = join(import.meta.dirname, '..')

/**
 * Builds the Dockerfile into `out`, which must not exist or be empty. In place of the base image it
 * adds the Node of this process as /usr/local/bin/node.
 */
export function imageTree(out: string): Image {
  if (existsSync(out) && readdirSync(out).length > 0) throw new Error(`${out} is not empty`)
  const image = buildImage(readFileSync(join(project, 'Dockerfile'), 'utf8'), project, out)
  const bin = join(out, 'usr/local/bin')
  mkdirSync(bin, { recursive: true })
  cpSync(process.execPath, join(bin, 'node'))
  chmodSync(out, 0o755)
  return image
}

/** The number of the files below a folder, and their total size in bytes. */
function sizeOf(folder: string): { bytes: number; files: number } {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const sizes = files.map((file) => statSync(join(file.parentPath, file.name)).size)
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), files: files.length }
}

function report({ root, bases, ports, user }: Image): void {
  for (const part of ['app/node_modules', 'app/src', 'app/migrations', 'app', 'usr/local/bin']) {
    const { bytes, files } = sizeOf(join(root, part))
    console.log(`${part.padEnd(16)} ${(bytes / 1e6).toFixed(1).padStart(6)} MB in ${files} files`)
  }
  console.log(`base ${bases.at(-1)}, user ${user}, ports ${ports.join(' ')}`)
}

if (import.meta.main) {
  const [out] = process.argv.slice(2)
  try {
    if (out === undefined) throw new Error('usage: npm run image -- OUT')
    report(imageTree(out))
  } catch (err) {
    console.error(`image: ${err instanceof Error ? err.message : String(err)}`)
    process.exitCode = 1
  }
}
