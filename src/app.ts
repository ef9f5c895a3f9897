import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { userUsecase } from './biz/user.ts'
import type { Conf } from './conf/conf.ts'
import type { Database } from './data/database.ts'
import { mysqlDatabase } from './data/mysql/database.ts'
import { sqliteDatabase } from './data/sqlite/database.ts'
import { userRepo } from './data/user.ts'
import { User } from './gen/api/user/v1/user_pb.ts'
import { accessLog } from './server/access-log.ts'
import { grpcServer } from './server/grpc.ts'
import { httpServer, type ServerOptions } from './server/http.ts'
import { interceptors } from './server/interceptor/list.ts'
import { userService } from './service/user.ts'

export interface AppOptions {
  conf: Conf
  log: Logger
  now?: () => Date
}

export type App = ReturnType<typeof createApp>

/** Makes every object of the service once. Nothing listens before `listen`. */
export function createApp({ conf, log, now = () => new Date() }: AppOptions) {
  const db = openDatabase(conf.data.database)
  const users = userService(userUsecase(userRepo(db), now))
  const options: ServerOptions = {
    routes: (router) => router.service(User, users),
    interceptors: interceptors(),
    observers: [accessLog(log)],
    limits: {
      maxBodyBytes: conf.server.limits.maxBodyBytes,
      maxHeaderBytes: conf.server.limits.maxHeaderBytes,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
      keepAliveTimeoutMs: 75_000,
      maxConcurrentStreams: 256,
    },
  }
  const http = httpServer(options)
  const grpc = grpcServer(options)

  return {
    db,
    /** Opens both ports and gives their addresses. */
    async listen() {
      return {
        http: await listenOn(http, conf.server.http.addr),
        grpc: await listenOn(grpc, conf.server.grpc.addr),
      }
    },
    /** Stops accepting, finishes what is in flight, then closes the database. */
    async close(): Promise<void> {
      await Promise.all([http.close(), grpc.close()])
      await db.close()
    },
  }
}

/** A configured DSN means MySQL, none means the embedded file. Throws DsnError. */
export function openDatabase({ source, sqlitePath, poolSize }: Conf['data']['database']): Database {
  return source === '' ? sqliteDatabase(sqlitePath) : mysqlDatabase({ source, poolSize })
}

async function listenOn(app: FastifyInstance, addr: string): Promise<AddressInfo> {
  const [, host = '', port = ''] = /^(?:\[?(.*?)\]?):(\d+)$/.exec(addr) ?? []
  await app.listen({ host, port: Number(port) })
  return app.server.address() as AddressInfo
}
