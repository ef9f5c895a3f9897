import { messageOf } from '../discovery.ts'
import type { Instance } from '../registry.ts'
import type { Report } from '../report.ts'
import type { Agent } from './agent.ts'
import { entriesOf, instanceOf } from './format.ts'
import { heldQueries } from './held-queries.ts'

interface Following {
  agent: Agent
  name: string
  /** Empty: the agent's own. */
  datacenter: string
  timeoutMs: number
  signal: AbortSignal
  report: Report
}

/** Tells the passing instances of a service after each answer of Consul. Throws when a query fails. */
export async function followService(
  { agent, name, datacenter, timeoutMs, signal, report }: Following,
  list: (instances: readonly Instance[]) => void,
): Promise<void> {
  const path = `/v1/health/service/${encodeURIComponent(name)}?passing=1`
  for await (const answer of heldQueries({ agent, path, datacenter, timeoutMs, signal })) {
    if (answer.status !== 200) throw new Error(`Consul has answered ${answer.status}`)
    list(entriesOf(answer.text).flatMap((entry) => read(entry, name, report)))
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
