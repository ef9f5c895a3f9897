import { discoveryOf } from '../discovery.ts'
import { registrarOf } from '../registrar.ts'
import type { Discovery, Registrar } from '../registry.ts'
import type { Report } from '../report.ts'
import { type AgentOptions, consulAgent } from './agent.ts'
import { followService } from './follow.ts'
import { type CheckTimes, registrationOf } from './format.ts'
import { holdService } from './hold.ts'

interface ConsulOptions extends AgentOptions {
  /** Where services are looked up; empty: the agent's own. */
  datacenter: string
  checks: CheckTimes
}

/** An instance is critical after two intervals without a beat, so that tries may not be far apart. */
const maxPauseMs = 2_000

/** Announces and finds instances through an agent of Consul, in Kratos' format. */
export function consulRegistry(
  { datacenter, checks, ...options }: ConsulOptions,
  report: Report,
): { registrar: Registrar; discovery: Discovery } {
  const agent = consulAgent(options)
  const { url, timeoutMs } = options
  let connected = false

  async function connect(): Promise<void> {
    const { status } = await agent('GET', '/v1/agent/self')
    // A token that may not read the agent may still register and look up.
    if (status !== 200 && status !== 403) throw new Error(`Consul has answered ${status}`)
    connected = true
  }

  async function withAgent(work: () => Promise<void>): Promise<void> {
    try {
      const facts = { 'consul.address': url, 'consul.datacenter': datacenter }
      if (!connected) await report.connecting(facts, connect)
      await work()
    } catch (err) {
      connected = false
      throw err
    }
  }

  const registrar = registrarOf(
    (instance) => [
      {
        format: 'kratos',
        hold(signal, held) {
          const registration = registrationOf(instance, checks)
          const intervalMs = checks.interval * 1000
          return withAgent(() => holdService({ agent, registration, intervalMs, signal, held }))
        },
      },
    ],
    maxPauseMs,
    report,
  )
  const discovery = discoveryOf({
    maxPauseMs,
    report,
    follow: (name, signal, list) =>
      withAgent(() => followService({ agent, name, datacenter, timeoutMs, signal, report }, list)),
  })
  return { registrar, discovery }
}
