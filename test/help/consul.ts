import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { until } from './until.ts'

/**
 * Runs an agent of Consul, which `TEST_CONSUL` names, without disk, so that it has no state after a
 * restart; killed when the test ends.
 */
export async function startConsul(t: Test) {
  const http = await freePort()
  const file = join(t.testdir({}), 'ports.json')
  const url = `http://127.0.0.1:${http}`
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    // Others may have taken the ports that nobody has to know.
    const ports = await Promise.all(Array.from({ length: 5 }, () => freePort()))
    const [dns, grpc, lan, wan, server] = ports
    const named = { http, dns, grpc, grpc_tls: -1, serf_lan: lan, serf_wan: wan, server }
    writeFileSync(file, JSON.stringify({ ports: named, log_level: 'error' }))
    const args = ['agent', '-dev', `-config-file=${file}`]
    child = spawn(process.env.TEST_CONSUL ?? '', args, { stdio: 'ignore' })
    await until('a leader of Consul', async () => {
      const answer = await fetch(`${url}/v1/status/leader`).catch(() => undefined)
      return answer?.ok === true && (await answer.text()).length > 2
    })
  }
  async function stop(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  t.teardown(stop)
  await start()
  return { url, start, stop }
}
