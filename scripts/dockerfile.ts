// Carries out the Dockerfile without a container engine: the same COPY and RUN lines, into a
// folder.
import { spawnSync } from 'node:child_process'
import { chownSync, cpSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, delimiter, dirname, join, posix } from 'node:path'

interface Instruction {
  name: string
  flags: Record<string, string>
  text: string
}

/** The result of buildImage. */
export interface Image {
  /** The folder with the files of the image, without those of the base image. */
  root: string
  /** The image that each stage begins with, its ARG replaced by the default. */
  bases: string[]
  env: Record<string, string>
  labels: Record<string, string>
  user: string
  workdir: string
  ports: string[]
  entrypoint: string[]
  health: string[]
}

/** Reads a Dockerfile's text: comments left out, continued lines joined. */
export function parseDockerfile(text: string): Instruction[] {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ')
  return lines.split('\n').flatMap((line) => {
    const [, name, flags = '', rest = ''] = /^([A-Z]+)((?: +--\S+)*) +(.*)$/.exec(line) ?? []
    if (name === undefined) return []
    const pairs = [...flags.matchAll(/--([a-z-]+)=(\S+)/g)].map(([, key, value]) => [key, value])
    return [{ name, flags: Object.fromEntries(pairs) as Record<string, string>, text: rest }]
  })
}

/**
 * Builds the last stage of a Dockerfile into `out`, with `context` as the build context. Throws
 * when a line fails, and for an instruction that it does not know.
 */
export function buildImage(dockerfile: string, context: string, out: string): Image {
  const image = emptyImage(out)
  const args: Record<string, string> = {}
  const stages = new Map<string, string>()
  const instructions = parseDockerfile(dockerfile)
  const last = instructions.findLastIndex(({ name }) => name === 'FROM')
  try {
    for (const [index, { name, flags, text }] of instructions.entries()) {
      const value = text.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => args[key] ?? '')
      if (name === 'FROM') {
        const [base = '', , stage = ''] = value.split(' ')
        image.bases.push(base)
        Object.assign(image, { root: index === last ? out : `${out}.${stage}`, workdir: '/' })
        mkdirSync(image.root, { recursive: true })
        stages.set(stage, image.root)
      } else if (name === 'ARG') {
        const [key = '', preset = ''] = value.split('=')
        args[key] = preset
      } else if (name === 'COPY') {
        copy(value.split(' '), flags, { image, from: stages.get(flags.from ?? '') ?? context })
      } else if (name === 'RUN') run(value, image)
      else describe(image, { name, flags, text: value })
    }
  } finally {
    for (const [stage, root] of stages) if (stage !== '') rmSync(root, { recursive: true })
  }
  return image
}

function emptyImage(root: string): Image {
  const lists = { bases: [], ports: [], entrypoint: [], health: [] }
  return { root, env: {}, labels: {}, user: '', workdir: '/', ...lists }
}

function describe(image: Image, { name, text }: Instruction): void {
  if (name === 'WORKDIR') {
    image.workdir = text
    mkdirSync(join(image.root, text), { recursive: true })
  } else if (name === 'ENV') Object.assign(image.env, pairs(text))
  else if (name === 'LABEL') Object.assign(image.labels, pairs(text))
  else if (name === 'USER') image.user = text
  else if (name === 'EXPOSE') image.ports = text.split(' ')
  else if (name === 'ENTRYPOINT') image.entrypoint = JSON.parse(text) as string[]
  else if (name === 'HEALTHCHECK') image.health = JSON.parse(text.replace('CMD ', '')) as string[]
  else if (name !== 'STOPSIGNAL') throw new Error(`Dockerfile: ${name} is not known here`)
}

/** `A=1 B="two words"`. */
function pairs(text: string): Record<string, string> {
  const found = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S*))/g)]
  return Object.fromEntries(
    found.map(([, key = '', quoted, plain]) => [key, quoted ?? plain ?? '']),
  )
}

function copy(
  paths: string[],
  { chown }: Record<string, string>,
  { image, from }: { image: Image; from: string },
): void {
  const to = paths.at(-1) ?? ''
  const target = join(image.root, posix.resolve(image.workdir, to))
  for (const path of paths.slice(0, -1)) {
    const source = join(from, path)
    // As COPY has it: a folder's contents, and a file under its name where the target is a folder.
    const file = statSync(source).isFile() && to.endsWith('/')
    cpSync(source, file ? join(target, basename(path)) : target, { recursive: true })
  }
  if (chown === undefined || process.getuid?.() !== 0) return
  const [uid = 0, gid = 0] = chown.split(':').map(Number)
  for (const entry of ['', ...readdirSync(target, { recursive: true, encoding: 'utf8' })])
    chownSync(join(target, entry), uid, gid)
}

function run(command: string, { root, workdir }: Image): void {
  const cwd = join(root, workdir)
  // The base image's Node is the one of this process.
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)
  const options = { cwd, encoding: 'utf8', env: { ...process.env, PATH } } as const
  const { status, stderr, error } = spawnSync('sh', ['-c', command], options)
  if (status !== 0) throw new Error(`RUN ${command}: ${error?.message ?? stderr}`)
}
