import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'

/** One instance of the service behind the balancer, by its ports on 127.0.0.1. */
export interface Backend {
  http: number
  grpc: number
}

const configuration = (rest: number, rpc: number, backends: readonly Backend[]) => `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  option redispatch
  option httpchk GET /readyz
  timeout check 2s
  default-server check inter 200ms fall 1 rise 1
frontend rest
  bind 127.0.0.1:${rest}
  default_backend rest
frontend rpc
  bind 127.0.0.1:${rpc} proto h2
  default_backend rpc
backend rest
${backends.map(({ http }, i) => `  server s${i} 127.0.0.1:${http}`).join('\n')}
backend rpc
${backends
  .map(
    ({ http, grpc }, i) => `  server s${i} 127.0.0.1:${grpc} proto h2 port ${http} check-proto h1`,
  )
  .join('\n')}
`

/**
 * HAProxy before these instances, HTTP/1.1 for REST and h2c for RPC, which asks each instance's
 * /readyz five times a second. Gives the URLs of its ports; ended at teardown.
 */
export async function balancer(t: Test, program: string, backends: readonly Backend[]) {
  const dir = mkdtempSync(join(tmpdir(), 'test-haproxy-'))
  const [rest, rpc] = [await freePort(), await freePort()]
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, configuration(rest, rpc, backends))
  const child = spawn(program, ['-q', '-db', '-f', file], { stdio: ['ignore', 'inherit', 'pipe'] })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
    rmSync(dir, { recursive: true, force: true })
  })
  await Promise.all([untilListening(rest), untilListening(rpc)])
  return { rest: `http://127.0.0.1:${rest}`, rpc: `http://127.0.0.1:${rpc}` }
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const socket = connect({ port, host: '127.0.0.1' })
    try {
      await once(socket, 'connect')
      return
    } catch (err) {
      if (attempt === 100) throw err
      await sleep(50)
    } finally {
      socket.destroy()
    }
  }
}
