import { openLiveConfig } from './app/config/live.ts'
import type { OpenedConfig } from './app/config/open.ts'
import { documents } from './app/documents.ts'
import { openFleet } from './app/fleet/fleet.ts'
import { lifecycle } from './app/lifecycle.ts'
import { routesOf } from './app/module.ts'
import { openPorts } from './app/ports.ts'
import { openStorage } from './app/storage.ts'
import { userModule } from './app/user.ts'
import { watchers, type Watching } from './app/watch.ts'
import type { Conf } from './conf/conf.ts'
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
  const storage = await openStorage(conf.data, watch.statements)
  const violations = messageRules()
  const parts = { conf, storage, now, traced: watch.traced, log: watch.log, violations }
  // Each module is one line here.
  const modules = [userModule(parts)]
  const ready = readiness({ ...storage.db.problems(), shutdown: '' })
  const fleet = await openFleet({ conf, version, ready, watch })
  const config = await openLiveConfig({ conf, opened, watch })
  const { live } = config
  const ports = openPorts({ conf, live, version, modules, ready, watch, violations })
  watch.state({
    version,
    storage: storage.db.description.split(' ', 1)[0] ?? '',
    ready: () => ready.ready(),
    checks: () => ready.checks(),
    calls: ports.calls,
    pools: storage.pools,
    certificateEnd: ports.certificateEnd,
    registry: () => fleet?.state,
    config: () => config.state(),
  })
  const { shutdown } = conf.server
  const life = lifecycle({ shutdown, ready, ports, modules, storage, watch, fleet, config })
  return {
    db: storage.db,
    readiness: ready,
    /** The REST routes as a text table. */
    routes: () => routeListing(compileRoutes({ routes: routesOf(modules) })),
    /** The OpenAPI documents. */
    documents: () => documents(modules, version),
    ...life,
  }
}
