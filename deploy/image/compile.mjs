// Fills V8's compile cache in the build stage: `node compile.mjs UID`, in the folder of the program.
// Starts the service once on each kind of database and stops it, so that a container, which may not
// write there, reads what it would compile otherwise, and loads no compiler for TypeScript.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const [uid] = process.argv.slice(2)
const cache = 'node_modules/.cache/compile'
// Nobody listens there. Without its database the service serves, and is not ready.
const nowhere = '127.0.0.1:9'

/** Ends with an error where the service does not begin to serve, or does not stop. */
async function startAndStop(env) {
  const addr = '127.0.0.1:0'
  const ports = { HTTP_ADDR: addr, GRPC_ADDR: addr, METRICS_ADDR: addr }
  const child = spawn(process.execPath, ['src/start.js'], {
    env: { PATH: process.env.PATH, LOG_FORMAT: 'json', ...ports, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Under emulation, as in a build for another processor, a start takes long.
    timeout: 600_000,
    killSignal: 'SIGKILL',
  })
  const exit = once(child, 'exit')
  const lines = []
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      if (line.includes('"msg":"serving')) child.kill('SIGTERM')
    }
    const [code, signal] = await exit
    if (code !== 0) throw new Error(`the service ended with ${code ?? signal}: ${lines.join('\n')}`)
  } finally {
    child.kill('SIGKILL')
  }
}

const folder = mkdtempSync(join(tmpdir(), 'compile-'))
try {
  const tracing = { TRACING_ENDPOINT: `http://${nowhere}` }
  await startAndStop({ ...tracing, SQLITE_PATH: join(folder, 'service.db') })
  await startAndStop({ ...tracing, DB_DSN: `mysql://nobody@${nowhere}/none` })
} finally {
  rmSync(folder, { recursive: true })
}
// Node reads the folder whose name ends with the number of the user who runs it, and writes files that
// nobody else may read.
for (const name of readdirSync(cache)) {
  const to = join(cache, name.replace(/\d+$/, uid))
  renameSync(join(cache, name), to)
  for (const file of readdirSync(to)) chmodSync(join(to, file), 0o644)
}
