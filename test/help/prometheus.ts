import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findPrometheus } from '../../scripts/prometheus.ts'
import { until } from './until.ts'

const rules = ['recording', 'alerts'].map(
  (name) => new URL(`../../deploy/prometheus/${name}.rules.yaml`, import.meta.url).pathname,
)

interface Answer {
  status: string
  error?: string
  data?: { result: { value: [number, string] }[] }
}

/** Prometheus with the project's rules, which fetches from these targets each second. */
export async function startPrometheus(t: Test, targets: readonly string[]) {
  const program = findPrometheus()?.prometheus
  if (program === undefined) throw new Error('there is no prometheus')
  const dir = mkdtempSync(join(tmpdir(), 'test-prometheus-'))
  const config = join(dir, 'prometheus.yml')
  writeFileSync(config, JSON.stringify(configuration(targets)))
  const port = await freePort()
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(dir, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text))
  t.teardown(async () => {
    if (child.exitCode === null) {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
    rmSync(dir, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await until('Prometheus', () => {
    if (child.exitCode !== null) throw new Error(`no Prometheus: ${log}`)
    return isReady(url)
  })

  /** The values of an instant query. Fails where the expression is wrong. */
  async function query(expression: string): Promise<number[]> {
    const address = `${url}/api/v1/query?query=${encodeURIComponent(expression)}`
    const answer = (await (await fetch(address)).json()) as Answer
    if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
    const result = answer.data?.result ?? []
    return result.map(({ value }) => Number(value[1]))
  }
  return { url, query }
}

function configuration(targets: readonly string[]) {
  return {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: [{ job_name: 'user-service', static_configs: [{ targets }] }],
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/-/ready`)).ok
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
