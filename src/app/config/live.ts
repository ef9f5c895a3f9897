import type { Conf } from '../../conf/conf.ts'
import { liveConf } from '../../conf/live.ts'
import type { Watch } from '../watch.ts'
import type { ConfigFollowing } from './follow.ts'
import type { OpenedConfig } from './open.ts'

interface LiveInit {
  conf: Conf
  /** Undefined: the configuration does not change. */
  opened: OpenedConfig | undefined
  watch: Watch
}

/** The configuration of a process, as openLiveConfig makes it. */
export type LiveConfig = Awaited<ReturnType<typeof openLiveConfig>>

/** Holds the configuration, and prepares for its changes; what follows them is loaded only if there can be any. */
export async function openLiveConfig({ conf, opened, watch }: LiveInit) {
  const live = liveConf(conf)
  live.follow((next) => watch.apply(next))
  const changes = opened && (conf.config.watchFile || opened.sources.length > 0)
  const following = changes ? await import('./follow.ts') : undefined
  let [followed, isClosed]: [ConfigFollowing | undefined, boolean] = [undefined, false]
  return {
    live,
    /** Begins to apply changes; to be called when the ports listen. */
    follow(): void {
      if (opened) followed ??= following?.followConfig({ opened, live, watch })
    },
    /** For the metrics. */
    state: () => followed?.state(),
    /** Reads the file of the configuration now. */
    async readAgain(): Promise<void> {
      const { followConfig } = await import('./follow.ts')
      if (!opened || isClosed) return
      followed ??= followConfig({ opened, live, watch })
      await followed.readAgain()
    },
    async close(): Promise<void> {
      isClosed = true
      await followed?.close()
    },
  }
}
