// The servers of the comparison: what each is started with.
import { join } from 'node:path'
import type { Programs } from './build.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

export type Protocol = 'rest' | 'grpc'
export type Ports = Record<Protocol, number>

/** A server under test, not started yet. */
export interface Server {
  name: string
  /** The share of calls that are traced; undefined where tracing is off. */
  ratio: string | undefined
  serves: readonly Protocol[]
  folder: string
  command: readonly string[]
  env(ports: Ports): Record<string, string>
}

/** What tables call it. */
export const idOf = ({ name, ratio }: Server) =>
  ratio === undefined ? name : `${name} at ${ratio}`

/** What all of the servers share. */
interface Surroundings {
  /** The DSN of the users, as a URL. */
  dsn: string
  /** The URL of a collector for OTLP. */
  collector: string
}

type Env = Record<string, string>
/** A server by the share of calls that are traced; undefined where it has no tracing. */
export type Make = (ratio?: string) => Server | undefined

const both = ['rest', 'grpc'] as const
const addresses = ({ rest, grpc }: Ports) => ({
  HTTP_ADDR: `127.0.0.1:${rest}`,
  GRPC_ADDR: `127.0.0.1:${grpc}`,
})

/** This project's service from the checkout in `folder`, with settings by their variables. */
export function ours(
  name: string,
  folder: string,
  { dsn, collector }: Surroundings,
  settings: Env = {},
): Make {
  return (ratio) => ({
    name,
    ratio,
    serves: both,
    folder,
    command: [process.execPath, ...startArguments(folder)],
    env: (ports) => ({
      ...addresses(ports),
      METRICS_ADDR: '127.0.0.1:0',
      LOG_FORMAT: 'json',
      DB_DSN: dsn,
      // A machine that does other work, too, must not make calls fail.
      TIMEOUT: '20s',
      DB_POOL_WAIT: '20s',
      ...(ratio === undefined
        ? { TRACING_EXPORTER: 'off' }
        : {
            TRACING_ENDPOINT: collector,
            TRACING_RATIO: ratio,
            TRACING_BATCH_DELAY: '1s',
            OTEL_BSP_MAX_QUEUE_SIZE: '20000',
          }),
      ...settings,
    }),
  })
}

/** The peers that could be built. `kratos-plain` is Kratos without statements that stay prepared. */
export function peers(programs: Programs, at: Surroundings): Make[] {
  const { kratos, node } = programs
  return [
    ...(kratos === undefined
      ? []
      : [kratosPeer('kratos', kratos, at), kratosPeer('kratos-plain', kratos, at)]),
    ...(node === undefined ? [] : [fastifyPeer(node, at), grpcJsPeer(node, at)]),
  ]
}

function kratosPeer(name: string, program: string, { dsn, collector }: Surroundings): Make {
  const { username, host, pathname } = new URL(dsn)
  return (ratio) => ({
    name,
    ratio,
    serves: both,
    folder: '.',
    command: [program],
    env: (ports) => ({
      ...addresses(ports),
      DB_DSN: `${username}@tcp(${host})${pathname}?parseTime=true&loc=UTC&charset=utf8mb4`,
      STATEMENTS: name.endsWith('-plain') ? 'plain' : 'prepared',
      ...(ratio !== undefined && {
        TRACING_ENDPOINT: new URL(collector).host,
        TRACING_RATIO: ratio,
      }),
    }),
  })
}

function fastifyPeer(folder: string, { dsn, collector }: Surroundings): Make {
  return (ratio) => ({
    name: 'fastify',
    ratio,
    serves: ['rest'],
    folder,
    command: [
      process.execPath,
      ...(ratio === undefined ? [] : ['--require', join(folder, 'otel.cjs')]),
      join(folder, 'fastify.cjs'),
    ],
    env: (ports) => ({
      ...addresses(ports),
      DB_DSN: dsn,
      ...(ratio !== undefined && {
        OTEL_SERVICE_NAME: 'fastify-peer',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector,
        OTEL_TRACES_EXPORTER: 'otlp',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
        OTEL_TRACES_SAMPLER_ARG: ratio,
        OTEL_BSP_SCHEDULE_DELAY: '1000',
        OTEL_BSP_MAX_QUEUE_SIZE: '20000',
      }),
    }),
  })
}

function grpcJsPeer(folder: string, { dsn }: Surroundings): Make {
  const server: Server = {
    name: 'grpc-js',
    ratio: undefined,
    serves: ['grpc'],
    folder,
    command: [process.execPath, join(folder, 'grpc.cjs')],
    env: (ports) => ({ ...addresses(ports), DB_DSN: dsn }),
  }
  return (ratio) => (ratio === undefined ? server : undefined)
}
