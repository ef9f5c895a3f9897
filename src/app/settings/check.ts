import type { ConfCheck } from '../../conf/conf.ts'
import type { Env } from '../../conf/placeholder.ts'
import { checkCache } from './cache.ts'
import { checkAuth } from './auth.ts'
import { checkClients } from './clients.ts'
import { checkConfig } from './config.ts'
import { checkDatabase } from './database.ts'
import { checkGateway } from './gateway.ts'
import { checkLimits } from './limits.ts'
import { checkRegistry } from './registry.ts'
import { checkServer } from './server.ts'
import { checkServices } from './services.ts'
import { checkTelemetry } from './telemetry.ts'

/**
 * Finds what the rules of conf.proto cannot say, such as files that are missing, and names every
 * setting concerned. It opens nothing and changes nothing.
 */
export function checkSettings(env: Env): ConfCheck {
  return function check(conf, refuse) {
    checkServer(conf, refuse.setting)
    checkDatabase(conf.data.database, refuse.setting)
    checkTelemetry(conf, env, refuse)
    checkRegistry(conf, refuse.setting)
    checkServices(conf, refuse.setting)
    checkClients(conf, refuse.setting)
    checkCache(conf.cache, refuse.setting)
    checkGateway(conf, refuse.setting)
    checkLimits(conf, refuse.setting)
    checkAuth(conf, refuse.setting)
    checkConfig(conf, refuse.setting)
  }
}
