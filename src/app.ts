import { openAuth } from './app/auth.ts'
import { openCache } from './app/cache.ts'
import { appClients } from './app/client/clients.ts'
import { openLiveConfig } from './app/config/live.ts'
import type { OpenedConfig } from './app/config/open.ts'
import { documents } from './app/port/documents.ts'
import { openFleet } from './app/fleet/fleet.ts'
import { localTarget } from './app/port/interceptors.ts'
import { lifecycle } from './app/lifecycle.ts'
import { type Module, routesOf } from './app/module.ts'
import { openModules } from './app/modules.ts'
import { openPorts } from './app/port/ports.ts'
import { openQuota } from './app/limit/quota.ts'
import { serviceName } from './app/service-name.ts'
import { openShedding } from './app/limit/shedding.ts'
import { openStorage, usesStorage } from './app/storage/storage.ts'
import { watchers, type Watching } from './app/watch.ts'
import type { Conf } from './conf/conf.ts'
import { validator } from './conf/validator.ts'
import { compileRoutes } from './rest/compiled-route.ts'
import { routeListing } from './rest/route/listing.ts'
import { readiness } from './server/health/readiness.ts'
import { messageRules } from './server/interceptor/violations.ts'

interface AppOptions extends Watching {
  conf: Conf
  /** Where it comes from; left out: it does not change. */
  opened?: OpenedConfig | undefined
  version: string
  now?: (() => Date) | undefined
}

/** The service, as createApp makes it. */
export type App = Awaited<ReturnType<typeof createApp>>

/** Makes every object of the service once. The ports open in `start`. */
export async function createApp({
  conf,
  opened,
  version,
  now = () => new Date(),
  ...watching
}: AppOptions) {
  const watch = watchers(watching)
  const storage = await openStorage(conf, watch.statements)
  const cache = await openCache(conf.cache, watch)
  const violations = messageRules(validator)
  const checks = usesStorage(conf.services) ? storage.db.problems() : {}
  const ready = readiness({ ...checks, shutdown: '' })
  const fleet = await openFleet({ conf, version, ready, watch })
  const config = await openLiveConfig({ conf, opened, watch })
  const { live } = config
  const modules: Module[] = []
  const clients = appClients({
    live,
    watch,
    service: serviceName,
    discovery: fleet?.discovery,
    local: () => localTarget(inside),
  })
  const inside = { conf, live, modules, watch, violations, incoming: clients.interceptor }
  await openModules(
    { conf, storage, cache, now, traced: watch.traced, log: watch.log, clients, violations },
    (module) => modules.push(module),
  )
  const incoming = clients.incoming()
  const auth = await openAuth(conf.auth, modules, watch.log)
  const quota = await openQuota({ conf: () => live.current().limits.quota, watch })
  const shed = await openShedding({ conf: () => live.current().limits.shed, watch })
  const calls = { violations, auth, incoming, quota: quota?.interceptor, shedding: shed?.shedding }
  const ports = openPorts({ conf, live, version, modules, ready, watch, ...calls })
  watch.state({
    version,
    storage: storage.db.description.split(' ', 1)[0] ?? '',
    ready: () => ready.ready(),
    checks: () => ready.checks(),
    calls: ports.calls,
    pools: storage.pools,
    certificateEnd: ports.certificateEnd,
    registry: () => fleet?.state,
    cache: () => cache?.isUsable(),
    quota: () => quota?.isShared(),
    load: () => shed?.busy(),
    issuerKeysAgeMs: () => auth?.keysAgeMs(),
    config: () => config.state(),
  })
  const { shutdown } = conf.server
  const served = { modules, clients, storage, cache, fleet, quota, shed, auth, config }
  const life = lifecycle({ shutdown, ready, ports, watch, ...served })
  return {
    db: storage.db,
    readiness: ready,
    /** The REST routes as a text table. */
    routes: () => routeListing(compileRoutes({ routes: routesOf(modules) })),
    /** The OpenAPI documents. */
    documents: () => documents(modules, version, auth?.schemes),
    /** Reads the file of the settings now. */
    readSettings: () => config.readAgain(),
    ...life,
  }
}
