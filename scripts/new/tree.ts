// The project on disk: whether it may be changed, and what changes it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { project } from '../tool.ts'
import { Refusal } from './refusal.ts'

/** Throws Refusal where git knows of changes that are not committed, or of no repository. */
export function requireClean(): void {
  const { status, stdout } = spawnSync('git', ['status', '--porcelain'], {
    cwd: project,
    encoding: 'utf8',
  })
  if (status !== 0)
    throw new Refusal('the project is in no git repository: what is written could not be undone')
  if (stdout !== '')
    throw new Refusal(`commit or stash first, so that what is written can be undone:\n${stdout}`)
}

/** Throws Refusal for a path that is there. */
export function requireFree(paths: readonly string[]): void {
  const there = paths.filter((path) => existsSync(join(project, path)))
  if (there.length > 0) throw new Refusal(`the name is in use: there is ${there.join(', ')}`)
}

/** Throws Refusal unless all paths are there. */
export function requireThere(paths: readonly string[]): void {
  const missing = paths.filter((path) => !existsSync(join(project, path)))
  if (missing.length > 0)
    throw new Refusal(`there is no ${missing.join(', ')}: only resources of the generator have all`)
}

/** The text of a file of the project. */
export function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/** Writes files of the project, with the folders that they are in. */
export function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(project, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

/** The files of a folder of the project. */
export function list(folder: string): string[] {
  return readdirSync(join(project, folder)).map((name) => `${folder}/${name}`)
}

/** With the programs of the project, since buf finds protoc-gen-es by PATH. */
const path = [join(project, 'node_modules/.bin'), process.env.PATH].join(delimiter)

/** Runs a program, in the project unless another folder is given. Throws with its output where it fails. */
export function run([program = '', ...args]: readonly string[], folder = project): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    env: { ...process.env, PATH: path },
    encoding: 'utf8',
  })
  if (status === 0) return
  throw new Error(`${args.join(' ')} failed:\n${error?.message ?? `${stdout}${stderr}`}`)
}
