import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { type Backend, runProxy } from './proxy.ts'

const configuration = (
  { rest, restOverHttp2, rpc }: Record<'rest' | 'restOverHttp2' | 'rpc', number>,
  backends: readonly Backend[],
) => `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  option redispatch
  option httpchk GET /readyz
  timeout check 10s
  default-server check inter 200ms fall 1 rise 1
frontend rest
  bind 127.0.0.1:${rest}
  default_backend rest
frontend rest_over_http2
  bind 127.0.0.1:${restOverHttp2}
  default_backend rest_over_http2
frontend rpc
  bind 127.0.0.1:${rpc} proto h2
  default_backend rpc
backend rest
${backends.map(({ http }, i) => `  server s${i} 127.0.0.1:${http}`).join('\n')}
backend rest_over_http2
${backends.map(({ http }, i) => `  server s${i} 127.0.0.1:${http} proto h2 check-proto h1`).join('\n')}
backend rpc
${backends
  .map(
    ({ http, grpc }, i) => `  server s${i} 127.0.0.1:${grpc} proto h2 port ${http} check-proto h1`,
  )
  .join('\n')}
`

/**
 * HAProxy before these instances, HTTP/1.1 or h2c for REST and h2c for RPC, which asks each instance's
 * /readyz five times a second. Gives the URLs of its ports; ended at teardown.
 */
export async function balancer(t: Test, program: string, backends: readonly Backend[]) {
  const ports = { rest: await freePort(), restOverHttp2: await freePort(), rpc: await freePort() }
  await runProxy(t, program, {
    configuration: () => configuration(ports, backends),
    args: (file) => ['-q', '-db', '-f', file],
    ports: Object.values(ports),
  })
  return {
    rest: `http://127.0.0.1:${ports.rest}`,
    restOverHttp2: `http://127.0.0.1:${ports.restOverHttp2}`,
    rpc: `http://127.0.0.1:${ports.rpc}`,
  }
}
