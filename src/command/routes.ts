import type { Logger } from 'pino'
import { createApp } from '../app.ts'
import type { Conf } from '../conf/conf.ts'

/** The REST routes as a table for people. No port is opened for it, and no database server is needed. */
export async function routes(conf: Conf, log: Logger): Promise<string> {
  const app = await createApp({ conf, log, version: '' })
  return app.routes()
}
