import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { type Backend, runProxy } from './proxy.ts'

type Ports = Record<'rest' | 'unset' | 'rpc', number>

const configuration = (dir: string, { rest, unset, rpc }: Ports, { http, grpc }: Backend) => `
daemon off;
master_process off;
pid ${dir}/pid;
error_log ${dir}/error.log;
events {}
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  # The service says what is too large, in the form of its other errors.
  client_max_body_size 0;
  upstream rest { server 127.0.0.1:${http}; keepalive 16; }
  upstream rpc { server 127.0.0.1:${grpc}; keepalive 16; }
  server {
    listen 127.0.0.1:${rest};
    location / {
      proxy_pass http://rest;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
  server {
    listen 127.0.0.1:${unset};
    location / { proxy_pass http://rest; }
  }
  server {
    listen 127.0.0.1:${rpc} http2;
    location / { grpc_pass grpc://rpc; }
  }
}
`

/**
 * nginx before an instance: `rest` over HTTP/1.1 with connections that are kept, `unset` with nginx's own defaults
 * (HTTP/1.0 to the service, a connection each), `rpc` by grpc_pass. Gives the URLs of its ports; ended
 * at teardown.
 */
export async function nginxBefore(t: Test, program: string, backend: Backend) {
  const ports = { rest: await freePort(), unset: await freePort(), rpc: await freePort() }
  await runProxy(t, program, {
    configuration: (dir) => configuration(dir, ports, backend),
    args: (file, dir) => ['-p', dir, '-e', 'stderr', '-c', file],
    ports: Object.values(ports),
  })
  return {
    rest: `http://127.0.0.1:${ports.rest}`,
    unset: `http://127.0.0.1:${ports.unset}`,
    rpc: `http://127.0.0.1:${ports.rpc}`,
  }
}
