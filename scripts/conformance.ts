// Runs the Connect conformance suite against the RPC port: `npm run conformance [-- runner flags]`.
// It needs Go, which gives the runner and the suite's protos; neither is part of this project.
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const suite = 'connectrpc.com/conformance'
const version = 'v1.0.5'
const root = join(import.meta.dirname, '..')
const cache = join(root, 'node_modules/.cache/conformance')

// What has been seen to pass. Whole runs do not end yet: the suites after these are still to be tried.
const suites = ['Basic/**', 'Errors/**', 'Timeouts/**'].flatMap((pattern) => ['--run', pattern])

const features = `features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP, COMPRESSION_BR]
  supports_h2c: true
  supports_tls: false
  supports_trailers: true
  supports_half_duplex_bidi_over_http1: false
  supports_connect_get: true
  supports_message_receive_limit: true
`

function run(command: string, args: string[], env: NodeJS.ProcessEnv = process.env): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
  return stdout
}

function prepare(): string {
  mkdirSync(cache, { recursive: true })
  run('go', ['install', `${suite}/cmd/connectconformance@${version}`], {
    ...process.env,
    GOBIN: cache,
  })
  const { Dir } = JSON.parse(run('go', ['mod', 'download', '-json', `${suite}@${version}`])) as {
    Dir: string
  }
  const opt = ['target=ts', 'import_extension=ts', 'erasable_syntax=true']
  const plugins = [{ local: 'protoc-gen-es', out: 'test/conformance/gen', opt }]
  run('buf', [
    'generate',
    join(Dir, 'proto'),
    '--template',
    JSON.stringify({ version: 'v2', plugins }),
  ])
  const conf = join(cache, 'features.yaml')
  writeFileSync(conf, features)
  return conf
}

try {
  const conf = prepare()
  const known = ['--known-failing', `@${join(root, 'test/conformance/known-failing.txt')}`]
  const server = [process.execPath, 'test/conformance/server.ts']
  const args = [
    '--mode',
    'server',
    '--conf',
    conf,
    ...known,
    ...(process.argv.length > 2 ? process.argv.slice(2) : suites),
    '--',
    ...server,
  ]
  const { status } = spawnSync(join(cache, 'connectconformance'), args, {
    cwd: root,
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} catch (err) {
  console.error(`conformance: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
