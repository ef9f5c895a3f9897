import { pause } from '../keep.ts'
import type { Agent } from './agent.ts'
import { beatId, type Registration } from './format.ts'

interface Holding {
  agent: Agent
  registration: Registration
  intervalMs: number
  /** Takes the registration back. */
  signal: AbortSignal
  /** Called when the agent has taken the registration. */
  held: () => void
}

/**
 * Registers an instance and tells the agent at each interval that it is alive. Throws when the agent
 * cannot be reached or does not know the instance, so that it is registered anew: an agent that has
 * lost its state answers 404.
 */
export async function holdService(holding: Holding): Promise<void> {
  const { agent, registration, intervalMs, signal, held } = holding
  const pass = `/v1/agent/check/pass/${encodeURIComponent(beatId(registration.ID))}`
  try {
    const path = '/v1/agent/service/register?replace-existing-checks=true'
    await expectOk(agent('PUT', path, { body: registration, signal }))
    for (let first = true; !signal.aborted; first = false) {
      await expectOk(agent('PUT', pass, { signal }))
      if (first) held()
      await pause(intervalMs, signal)
    }
  } finally {
    if (signal.aborted) await deregister(agent, registration.ID)
  }
}

async function deregister(agent: Agent, id: string): Promise<void> {
  const path = `/v1/agent/service/deregister/${encodeURIComponent(id)}`
  await agent('PUT', path).catch(() => undefined)
}

async function expectOk(answering: ReturnType<Agent>): Promise<void> {
  const { status, text } = await answering
  if (status !== 200) throw new Error(`Consul has answered ${status}: ${text.slice(0, 200).trim()}`)
}
