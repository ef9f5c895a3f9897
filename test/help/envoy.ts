import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { type Backend, runProxy } from './proxy.ts'

type Ports = Record<'rest' | 'restOverHttp2' | 'rpc', number>

/** One thread, and no shared memory that two runs would fight for. */
const quiet = ['--log-level', 'error', '--concurrency', '1', '--use-dynamic-base-id']

const http2 = { explicit_http_config: { http2_protocol_options: {} } }
const http1 = { explicit_http_config: { http_protocol_options: {} } }

const address = (port: number) => ({
  socket_address: { address: '127.0.0.1', port_value: port },
})

function cluster(name: string, port: number, protocol: typeof http1 | typeof http2) {
  return {
    name,
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        common_http_protocol_options: { idle_timeout: '60s' },
        ...protocol,
      },
    },
  }
}

/** All routes of a port lead to one cluster. `timeout` is undefined for Envoy's own 15 s. */
function listener(name: string, port: number, timeout?: string) {
  const route = { cluster: name, ...(timeout !== undefined && { timeout }) }
  const manager = {
    '@type':
      'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: name,
    route_config: {
      virtual_hosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
        },
      },
    ],
  }
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager }
  return { name, address: address(port), filter_chains: [{ filters: [filter] }] }
}

const configuration = (ports: Ports, { http, grpc }: Backend) => ({
  static_resources: {
    listeners: [
      listener('rest', ports.rest),
      listener('rest_over_http2', ports.restOverHttp2),
      // Streams have no end that Envoy should set.
      listener('rpc', ports.rpc, '0s'),
    ],
    clusters: [
      cluster('rest', http, http1),
      cluster('rest_over_http2', http, http2),
      cluster('rpc', grpc, http2),
    ],
  },
})

/**
 * Envoy before an instance, HTTP/1.1 or h2c for REST and h2c for RPC. Gives the URLs of its ports;
 * ended at teardown.
 */
export async function envoyBefore(t: Test, program: string, backend: Backend) {
  const ports = { rest: await freePort(), restOverHttp2: await freePort(), rpc: await freePort() }
  await runProxy(t, program, {
    // JSON is YAML, too.
    configuration: () => JSON.stringify(configuration(ports, backend)),
    args: (file) => ['--config-yaml', readFileSync(file, 'utf8'), ...quiet],
    ports: Object.values(ports),
  })
  return {
    rest: `http://127.0.0.1:${ports.rest}`,
    restOverHttp2: `http://127.0.0.1:${ports.restOverHttp2}`,
    rpc: `http://127.0.0.1:${ports.rpc}`,
  }
}
