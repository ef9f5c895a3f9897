import type { Conf } from '../../conf/conf.ts'
import type { Watch } from '../watch.ts'

/** Refuses calls for load, as openShedding makes it. */
export type OpenShedding = NonNullable<Awaited<ReturnType<typeof openShedding>>>

interface SheddingInit {
  /** Asked at each call, so that limits may change. */
  conf: () => Conf['limits']['shed']
  watch: Pick<Watch, 'shedCalls'>
}

/** Makes what refuses calls for load; undefined, and nothing is loaded or measured, where it is off. */
export async function openShedding({ conf, watch }: SheddingInit) {
  if (!conf().enabled) return undefined
  const [{ load }, { priorityBy, shedding }] = await Promise.all([
    import('../../server/admission/load.ts'),
    import('../../server/admission/shedding.ts'),
  ])
  const measured = load()
  measured.start()
  return {
    shedding: shedding({
      busy: measured.busy,
      limits: () => ({ busy: conf().cpu, busyCritical: conf().cpuCritical }),
      priorityOf: priorityBy(() => conf().priorityHeader),
      judged: watch.shedCalls,
    }),
    /** For the metrics. */
    busy: measured.busy,
    close: () => measured.stop(),
  }
}
