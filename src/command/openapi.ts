import type { Logger } from 'pino'
import { createApp } from '../app.ts'
import type { Conf } from '../conf/conf.ts'

/** The OpenAPI document of REST as JSON. No port is opened for it, and no database is needed. */
export async function openapi(conf: Conf, log: Logger, version: string): Promise<string> {
  const app = await createApp({ conf, log, version })
  const { rest } = await app.documents()
  return `${JSON.stringify(rest, null, 2)}\n`
}
