// Runs the commands in the `console` blocks of the pages and compares what they print with what the page says. `UPDATE=1 npx node scripts/test.ts test/readme.test.ts` writes the outputs that differ into the pages.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type Test } from 'tap'

import { findProgram } from '../scripts/program.ts'
import { blocksNotRun } from './help/blocks-not-run.ts'
import { shell, steps, withOutputs } from './help/console.ts'

const project = join(import.meta.dirname, '..')
const read = (page: string) => readFileSync(join(project, page), 'utf8')
const missing = ['curl', 'sh', 'npm'].filter((name) => findProgram(name) === undefined)
const skip = missing.length > 0 && !process.env.CI && `needs ${missing.join(', ')}`

/** A folder that is removed in the end. */
function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'readme-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Ports {
  http: string
  grpc: string
  metrics: string
}

/** Starts the service by README's command, on free ports and an empty database; `ready` is whether it will be. */
async function start(t: Test, env: Record<string, string> = {}, ready = true): Promise<Ports> {
  const [, command = ''] = /^npm ci && (npm start)\b/m.exec(read('README.md')) ?? []
  t.not(command, '', 'README says how to start the service')
  const child = spawn('sh', ['-c', command], {
    cwd: project,
    env: {
      ...process.env,
      SQLITE_PATH: join(newFolder(t), 'users.db'),
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '127.0.0.1:0',
      LOG_FORMAT: 'json',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A group of its own, since npm and Node both have to end.
    detached: true,
  })
  t.teardown(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'))
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{') && line.includes(`"ready":${ready}`)) return JSON.parse(line) as Ports
  }
  throw new Error(`${command} ended before it served`)
}

/** The page's TypeScript as a file, in a folder where its imports lead to the project. */
function sourceFile(t: Test, page: string, name: string, address: [on: string, here: string]) {
  const folder = newFolder(t)
  for (const name of ['src', 'node_modules', 'package.json']) {
    symlinkSync(join(project, name), join(folder, name))
  }
  const [, source = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(page) ?? []
  const file = join(folder, name)
  writeFileSync(file, source.replaceAll(...address))
  return file
}

/** The PATH of the project's programs, with our stand-in for grpcurl where there is none. */
function path(t: Test): string {
  const folders = [dirname(process.execPath), join(project, 'node_modules/.bin')]
  if (findProgram('grpcurl') === undefined) {
    const folder = newFolder(t)
    const standIn = join(folder, 'grpcurl')
    const program = join(import.meta.dirname, 'help/grpcurl.ts')
    writeFileSync(standIn, `#!/bin/sh\nexec node '${program}' "$@"\n`)
    chmodSync(standIn, 0o755)
    folders.unshift(folder)
  }
  return [...folders, process.env.PATH].join(delimiter)
}

/** An output without what differs from run to run: when a user was made. */
function lasting(output: string): string {
  return (
    output
      .replaceAll(/("createdAt":\s*)"\d+"/g, '$1"…"')
      // A tag is made of the time at which the user was created, too.
      .replaceAll(/("etag":\s*)"\\"[\w-]+\\""/g, '$1"…"')
  )
}

/** Runs the page's commands and compares, or writes what they print into the page. */
async function compare(t: Test, name: string, lineOf: (command: string) => string): Promise<void> {
  const page = read(name)
  const env = { ...process.env, PATH: path(t) }
  const outputs: string[] = []
  let changed = false
  for (const { command, output } of steps(page)) {
    const printed = await shell(lineOf(command), { cwd: project, env })
    outputs.push(printed)
    changed ||= lasting(printed) !== lasting(output)
    if (!process.env.UPDATE) t.equal(lasting(printed), lasting(output), command)
  }
  t.ok(outputs.length > 0, 'the page has calls')
  t.equal(
    withOutputs(page, ({ output }) => output),
    page,
    'a page whose outputs are the same is the same',
  )
  // All of them come from one run.
  if (!process.env.UPDATE || !changed) return
  writeFileSync(
    join(project, name),
    withOutputs(page, () => outputs.shift() ?? ''),
  )
}

/** Pages whose calls go to one service, in this order; each begins on an empty database. */
const services = [
  ['README.md'],
  ['docs/api.md'],
  ['getting-started', 'orders', 'streams', 'clients', 'metrics'].map((page) => `docs/${page}.md`),
]

for (const pages of services) {
  test(`the calls in ${pages.join(', ')} print what they say`, { skip }, async (t) => {
    const { http, grpc, metrics } = await start(t)
    for (const page of pages) {
      const client = sourceFile(t, read(page), 'client.ts', ['localhost:9000', grpc])
      await compare(t, page, (command) =>
        command
          .replaceAll('localhost:8000', http)
          .replaceAll('localhost:9000', grpc)
          .replaceAll('localhost:9090', metrics)
          .replaceAll('client.ts', client),
      )
    }
  })
}

test('a service without its database says so as docs/operations.md does', { skip }, async (t) => {
  const { http } = await start(t, { DB_DSN: 'mysql://root@127.0.0.1:1/users' }, false)
  await compare(t, 'docs/operations.md', (command) => command.replaceAll('localhost:8000', http))
})

test('the example of docs/rest.md answers as it says', { skip }, async (t) => {
  const page = read('docs/rest.md')
  const line = /await app\.listen\(.*\)\n/.exec(page)?.[0] ?? ''
  const told = 'console.log(await app.listen({ port: 0 }))\n'
  const server = spawn(process.execPath, [sourceFile(t, page, 'server.ts', [line, told])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => server.kill('SIGKILL'))
  const lines = createInterface({ input: server.stdout })
  const [url] = (await once(lines, 'line', { signal: AbortSignal.timeout(60_000) })) as [string]
  await compare(t, 'docs/rest.md', (command) =>
    command.replaceAll('localhost:8080', new URL(url).host),
  )
})

test('each block of commands is run by a test, or has the reason why not', async (t) => {
  const run = [...services.flat(), 'docs/operations.md', 'docs/rest.md']
  const blocks = globSync(['*.md', '{docs,examples}/**/*.md'], { cwd: project }).flatMap((page) =>
    [...read(page).matchAll(/^```(console|sh)\n(.*)/gm)]
      .filter(([, kind]) => kind === 'sh' || !run.includes(page))
      .map(([, , line = '']) => `${page}: ${line.replace(/ +(?:#.*|\\)$/, '')}`),
  )
  t.same(blocks.toSorted(), Object.keys(blocksNotRun).toSorted())
})
