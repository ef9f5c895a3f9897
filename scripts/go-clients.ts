// Builds clients in Go, with the messages of this service's proto.
import { globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './go-tool.ts'
import { tool } from './tool.ts'

const root = join(import.meta.dirname, '..')

interface Clients {
  /** A module of Go, which lists the generators as its tools. */
  folder: string
  /** The name of that module; its messages are in `gen`. */
  module: string
  /** The packages that are programs. */
  programs: readonly string[]
  /** Folders of protos whose messages they use, too. */
  protos?: readonly string[]
}

/**
 * Generates the messages and the gRPC client, which are not committed, and builds the programs. Gives the
 * path of each by its name. Throws with the outputs of what fails.
 */
export function buildClients({
  folder,
  module,
  programs,
  protos = [],
}: Clients): Map<string, string> {
  const cache = join(root, 'node_modules/.cache', module)
  mkdirSync(cache, { recursive: true })
  const go = (...args: string[]) => run('go', ['-C', folder, ...args])
  const generators = {
    'google.golang.org/protobuf/cmd/protoc-gen-go': 'protoc-gen-go',
    'google.golang.org/grpc/cmd/protoc-gen-go-grpc': 'protoc-gen-go-grpc',
  }
  for (const [path, name] of Object.entries(generators)) go('build', '-o', join(cache, name), path)
  const opt = [
    `module=${module}`,
    ...ownProtos().map(([path, noun]) => `M${path}=${module}/gen/${noun}`),
    `Mbuf/validate/validate.proto=${module}/gen/validate`,
    `Mtest/rest/v1/rich.proto=${module}/gen/rest`,
    `Mtest/client/v1/files.proto=${module}/gen/files`,
  ]
  const plugins = Object.values(generators).map((name) => ({
    local: join(cache, name),
    out: folder,
    opt,
  }))
  const template = JSON.stringify({ version: 'v2', plugins })
  const paths = ['proto/api', 'third_party/buf', ...protos].flatMap((path) => [
    '--path',
    join(root, path),
  ])
  const [node, buf] = tool('@bufbuild/buf', 'buf')
  run(node, [buf, 'generate', root, '--template', template, ...paths])
  go('build', '-o', cache, ...programs.map((program) => `./${program}`))
  return new Map(programs.map((program) => [program, join(cache, program)]))
}

/** The protos of this service with the packages of their messages, such as gen/user. */
function ownProtos(): [path: string, noun: string][] {
  return globSync('api/*/v1/*.proto', { cwd: join(root, 'proto') }).map((path) => [
    path,
    path.split('/')[1] ?? '',
  ])
}
