import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SecureVersion } from 'node:tls'
import { durationMs } from '@bufbuild/protobuf/wkt'
import type { ConnectRouter } from '@connectrpc/connect'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { invalidUserInput, userUsecase } from './biz/user.ts'
import type { Conf } from './conf/conf.ts'
import type { Database } from './data/database.ts'
import { type ObserveStatements, observedBy } from './data/statement-observer.ts'
import { mysqlDatabase } from './data/mysql/database.ts'
import { DsnError } from './data/mysql/dsn.ts'
import { sqliteDatabase } from './data/sqlite/database.ts'
import { replicaReads } from './data/read-replica.ts'
import { userRepo } from './data/user.ts'
import { ErrorReason } from './gen/api/errors/v1/error_reason_pb.ts'
import { User } from './gen/api/user/v1/user_pb.ts'
import { ServerReflection } from './gen/grpc/reflection/v1/reflection_pb.ts'
import { ServerReflection as ServerReflectionV1Alpha } from './gen/grpc/reflection/v1alpha/reflection_pb.ts'
import { file_google_rpc_error_details } from './gen/google/rpc/error_details_pb.ts'
import { Health } from './gen/health/v1/health_pb.ts'
import { Metadata } from './gen/kratos/api/metadata_pb.ts'
import { linesDropped } from './telemetry/log/log.ts'
import type { Metrics } from './telemetry/metric/metrics.ts'
import { routeListing } from './rest/route/listing.ts'
import { compileRoutes } from './rest/compiled-route.ts'
import { accessLog } from './server/exchange/access-log.ts'
import { type Admission, admission } from './server/admission/admission.ts'
import { parseOrigins } from './server/origin/cors.ts'
import { descriptors } from './server/reflection/descriptors.ts'
import { grpcServer } from './server/grpc.ts'
import { healthService } from './server/health/health.ts'
import { type IdleMemory, idleMemory } from './memory/idle.ts'
import { httpServer, type ServerOptions } from './server/http.ts'
import { interceptors } from './server/interceptor/list.ts'
import { kratosMetadataService } from './server/reflection/kratos-metadata.ts'
import type { DualListener } from './server/listener/listener.ts'
import { readiness } from './server/health/readiness.ts'
import { reflectionService } from './server/reflection/reflection.ts'
import { loadTls, type Tls } from './server/listener/tls.ts'
import { userService } from './service/user.ts'
import type { Tracing } from './telemetry/trace/tracing.ts'
import { userSpans } from './app/user-spans.ts'

/** Spans get this long at least, also where calls have used up the time of the shutdown. */
const flushMs = 500

export interface AppOptions {
  conf: Conf
  log: Logger
  now?: () => Date
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined
  /** Undefined: nothing is measured. */
  metrics?: Metrics | undefined
  version?: string
}

export type App = ReturnType<typeof createApp>

/** Makes every object of the service once. Nothing is opened before `start`. */
export function createApp({ conf, log, now = () => new Date(), ...watch }: AppOptions) {
  const { tracing, metrics, version = '' } = watch
  const traced = tracing?.traced ?? untraced
  const tls = tlsOf(conf, log)
  const observe = observedBy(metrics?.statements, tracing?.statements)
  const db = openDatabase(conf.data.database, observe)
  const replica = openReplica(conf.data.database, observe)
  const reads = replica && replicaReads(db, replica)
  const repo = traced('UserRepo', userRepo(db, totalOptions(conf.data.total), reads))
  const usecase = userUsecase(repo, now)
  const spans = userSpans(conf.tracing.personalData)
  const users = traced('UserService', userService(traced('UserUseCase', usecase, spans)))
  const ready = readiness({ ...db.problems(), shutdown: '' })
  const closing = new AbortController()
  const calls = admission(callLimits(conf))
  const memory = idleMemory()
  const options = serverOptions(conf, { log, tls, calls, memory, tracing, metrics })
  const userRoutes = (router: ConnectRouter) => router.service(User, users)
  const http = httpServer({ ...options, routes: userRoutes }, ready)
  const grpc = grpcServer({
    ...options,
    routes(router) {
      userRoutes(router)
      router.service(Health, healthService(ready, [User.typeName], closing.signal))
      if (conf.server.reflection) reflect(router)
    },
  })
  metrics?.watch({
    version,
    storage: db.description.split(' ', 1)[0] ?? '',
    ready: () => ready.ready(),
    checks: () => ready.checks(),
    calls: () => ({ active: calls.active, most: conf.server.limits.maxConcurrentCalls }),
    pools: () => [...db.pools(), ...(replica?.pools() ?? [])],
    certificateEnd: () => tls?.end(),
    linesDropped: linesDropped(log),
    spans: () => tracing?.counts(),
  })
  let stopped: Promise<void> | undefined

  /** Not ready → drain delay → stop accepting → finish what is in flight → close the database. */
  async function stop(): Promise<void> {
    ready.set('shutdown', 'the service is being stopped')
    await sleep(durationMs(conf.server.shutdown.drainDelay))
    closing.abort()
    memory.stop()
    const begin = performance.now()
    const graceMs = durationMs(conf.server.shutdown.timeout)
    await Promise.all([http, grpc].map((app) => closeGracefully(app, graceMs)))
    await Promise.all([db.close(), replica?.close()])
    // After the last exchange has ended, and with what is left of the time.
    const leftMs = Math.max(flushMs, graceMs - (performance.now() - begin))
    await Promise.all([tracing?.stop(leftMs), metrics?.stop(leftMs)])
  }

  return {
    db,
    readiness: ready,
    /** The REST routes as a table for people. */
    routes: () => routeListing(compileRoutes({ routes: userRoutes })),
    /**
     * Opens both ports, then connects to the database and migrates it, or finds that it cannot yet.
     * `rejected` is told when the database rejects a migration, perhaps much later.
     */
    async start(rejected: (err: Error) => void) {
      memory.start()
      // First, so that whoever looks can see that the process is alive while migrations run.
      const addresses = {
        http: await listenOn(http, conf.server.http.addr),
        grpc: await listenOn(grpc, conf.server.grpc.addr),
      }
      // Without it lists are read from the primary, so nobody waits for it and it decides nothing.
      void replica?.start({
        changed: ({ database }) =>
          log.info({ database }, 'the state of the read replica has changed'),
        migrated: () => undefined,
        rejected,
      })
      await db.start({
        changed(problems) {
          log.info(problems, 'the state of the database has changed')
          for (const [check, problem] of Object.entries(problems)) ready.set(check, problem)
        },
        migrated: (names) => log.info({ applied: names }, 'migrated'),
        rejected,
      })
      return addresses
    },
    /** Stops in order, as above; a second call waits for the first. */
    stop: () => (stopped ??= stop()),
  }
}

const untraced: Tracing['traced'] = (_layer, object) => object

/** More calls at once than twice the connections would only wait for one of those. */
const leastAtOnce = 16

function callLimits({ server, data }: Conf) {
  const most = server.limits.maxConcurrentCalls
  return { atOnce: Math.min(most, Math.max(leastAtOnce, 2 * data.database.poolSize)), most }
}

/** A configured DSN means MySQL, none means the embedded file. Throws DsnError. */
export function openDatabase(
  conf: Conf['data']['database'],
  observe?: ObserveStatements,
): Database {
  const { source, sqlitePath } = conf
  if (source === '') return sqliteDatabase(sqlitePath, observe)
  return mysqlDatabase({ source, pool: poolOptions(conf), observe })
}

/** The replica that lists are read from, where one is configured. Throws DsnError. */
function openReplica(
  conf: Conf['data']['database'],
  observe?: ObserveStatements,
): Database | undefined {
  const { source, readDsn } = conf
  if (readDsn === '') return undefined
  if (source === '') throw new DsnError('data.database.read_dsn needs data.database.source, too')
  return mysqlDatabase({ source: readDsn, pool: poolOptions(conf), observe, readOnly: true })
}

function poolOptions({ poolSize, poolWait, poolQueue }: Conf['data']['database']) {
  return { size: poolSize, maxWaiting: poolQueue, waitMs: durationMs(poolWait) }
}

function totalOptions({ exactUpTo, maxAge }: Conf['data']['total']) {
  return { exactUpTo, maxAgeMs: durationMs(maxAge) }
}

/** What both ports share. */
interface Shared extends Pick<AppOptions, 'log' | 'tracing' | 'metrics'> {
  tls: Tls | undefined
  calls: Admission
  memory: IdleMemory
}

function serverOptions(
  { server }: Conf,
  { log, tls, calls, memory, tracing, metrics }: Shared,
): Omit<ServerOptions, 'routes'> {
  const { limits, timeout, operationTimeouts } = server
  const requestTimeoutMs = durationMs(limits.requestTimeout)
  const byOperation = Object.entries(operationTimeouts).map(
    ([operation, duration]) => [operation, durationMs(duration)] as const,
  )
  return {
    interceptors: [
      ...(tracing ? [tracing.interceptor] : []),
      ...interceptors(
        { defaultMs: durationMs(timeout), byOperation: new Map(byOperation) },
        (service) => (service.typeName === User.typeName ? invalidUserInput : undefined),
      ),
    ],
    observers: [
      ...(tracing ? [tracing.observer] : []),
      ...(metrics ? [metrics.exchanges([ErrorReason])] : []),
      memory.observer,
      accessLog(log, tracing?.fieldsOf),
    ],
    admission: calls,
    tls,
    origins: parseOrigins(server.cors.origins),
    limits: {
      maxBodyBytes: limits.maxBodyBytes,
      maxHeaderBytes: limits.maxHeaderBytes,
      headersTimeoutMs: Math.min(durationMs(limits.headersTimeout), requestTimeoutMs),
      requestTimeoutMs,
      keepAliveTimeoutMs: durationMs(limits.idleTimeout),
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxConnections: limits.maxConnections,
    },
  }
}

function tlsOf({ server }: Conf, log: Logger): Tls | undefined {
  return loadTls(
    { ...server.tls, minVersion: server.tls.minVersion as SecureVersion },
    {
      unusable: ({ message }) =>
        log.error({ err: message }, 'the changed certificate cannot be used; the one before stays'),
      refused: (reason) => log.info({ reason }, 'TLS handshake failed'),
    },
  )
}

function reflect(router: ConnectRouter): void {
  const services = [User, Health, ServerReflection, ServerReflectionV1Alpha, Metadata]
  // The details of errors, too, so that grpcurl can read them.
  const known = descriptors(services, [file_google_rpc_error_details])
  const reflection = reflectionService(known)
  router.service(ServerReflection, reflection)
  // The messages of v1alpha are those of v1 under other names.
  router.service(ServerReflectionV1Alpha, reflection as never)
  router.service(Metadata, kratosMetadataService(known))
}

function hostAndPort(addr: string) {
  const [, host = '', port = ''] = /^(?:\[?(.*?)\]?):(\d+)$/.exec(addr) ?? []
  return { host, port: Number(port) }
}

async function listenOn(app: FastifyInstance, addr: string): Promise<AddressInfo> {
  await app.listen(hostAndPort(addr))
  return app.server.address() as AddressInfo
}

async function closeGracefully(app: FastifyInstance, graceMs: number): Promise<void> {
  await (app.server as unknown as DualListener).closeGracefully(graceMs)
  await app.close()
}
