import { pause } from '../keep.ts'
import type { Agent, Answer } from './agent.ts'

interface Queried {
  agent: Agent
  path: string
  /** Empty: the agent's own. */
  datacenter: string
  timeoutMs: number
  signal: AbortSignal
}

/** How long the agent holds a query until something changes. It adds up to a sixteenth of it. */
const waitSeconds = 55
const maxHeldMs = Math.ceil((waitSeconds * 1000 * 17) / 16)
/** The pause after an answer without a change: some proxies end a held query at once. */
const unchangedPauseMs = 1_000

/**
 * The first answer to a query, then one after each change of what it asks for, until the signal aborts.
 * Throws when a query fails: the next call begins without an index, since that of an agent that has lost
 * its state starts again.
 */
export async function* heldQueries({
  agent,
  path,
  datacenter,
  timeoutMs,
  signal,
}: Queried): AsyncGenerator<Answer> {
  const begun = `${path}${path.includes('?') ? '&' : '?'}wait=${waitSeconds}s`
  const dc = datacenter === '' ? '' : `&dc=${encodeURIComponent(datacenter)}`
  let index = 0n
  while (!signal.aborted) {
    const query = { signal, timeoutMs: timeoutMs + (index === 0n ? 0 : maxHeldMs) }
    const answer = await agent('GET', `${begun}${dc}&index=${index}`, query)
    yield answer
    const next = answer.index < index ? 0n : answer.index
    if (next === index) await pause(unchangedPauseMs, signal)
    index = next
  }
}
