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
  return function check(conf, report) {
    checkServer(conf, report.setting)
    checkDatabase(conf.data.database, report.setting)
    checkTelemetry(conf, env, report)
    checkRegistry(conf, report.setting)
    checkServices(conf, report.setting)
    checkClients(conf, report.setting)
    checkCache(conf.cache, report.setting)
    checkGateway(conf, report.setting)
    checkLimits(conf, report.setting)
    checkAuth(conf, report.setting)
    checkConfig(conf, report.setting)
  }
}
