import { messageOf } from '../discovery.ts'
import { pause } from '../keep.ts'
import type { Instance } from '../registry.ts'
import type { Report } from '../report.ts'
import type { Agent } from './agent.ts'
import { entriesOf, instanceOf } from './format.ts'

interface Following {
  agent: Agent
  name: string
  /** Empty: the agent's own. */
  datacenter: string
  timeoutMs: number
  signal: AbortSignal
  report: Report
}

/** How long the agent holds a query until something changes. It adds up to a sixteenth of it. */
const waitSeconds = 55
const maxHeldMs = Math.ceil((waitSeconds * 1000 * 17) / 16)
/** The pause after an answer without a change: some proxies end a held query at once. */
const unchangedPauseMs = 1_000

/**
 * Tells the passing instances of a service after each answer of Consul. Throws when a query fails: the
 * next one begins without an index, since that of an agent that has lost its state starts again.
 */
export async function followService(
  { agent, name, datacenter, timeoutMs, signal, report }: Following,
  list: (instances: readonly Instance[]) => void,
): Promise<void> {
  const dc = datacenter === '' ? '' : `&dc=${encodeURIComponent(datacenter)}`
  const path = `/v1/health/service/${encodeURIComponent(name)}?passing=1&wait=${waitSeconds}s${dc}`
  let index = 0n
  while (!signal.aborted) {
    const query = { signal, timeoutMs: timeoutMs + (index === 0n ? 0 : maxHeldMs) }
    const answer = await agent('GET', `${path}&index=${index}`, query)
    if (answer.status !== 200) throw new Error(`Consul has answered ${answer.status}`)
    list(entriesOf(answer.text).flatMap((entry) => read(entry, name, report)))
    const next = answer.index < index ? 0n : answer.index
    if (next === index) await pause(unchangedPauseMs, signal)
    index = next
  }
}

/** An entry that cannot be read takes its own instance away, and no other. */
function read(entry: unknown, name: string, report: Report): Instance[] {
  try {
    const instance = instanceOf(entry)
    return instance ? [instance] : []
  } catch (err) {
    report.broken(name, messageOf(err))
    return []
  }
}
