// Discovery against a real API server: what src/fleet/kubernetes finds while EndpointSlices change.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { kubernetesDiscovery } from '../src/fleet/kubernetes/discovery.ts'
import type { Report } from '../src/fleet/report.ts'

interface Cluster {
  /** `https://host:port` */
  server: string
  token: string
  /** PEM of the server's own certificate. */
  ca: string
  /** Where the files of an account may be written. */
  folder: string
  call: (method: string, path: string, body?: object) => Promise<{ status: number }>
}

const waitMs = 30_000
const namespace = 'default'
const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`

const endpoint = (address: string, ready: boolean, terminating = false) => ({
  addresses: [address],
  conditions: { ready, serving: true, terminating },
})

const slice = (name: string, port: number, endpoints: object[]) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, labels: { 'kubernetes.io/service-name': 'orders' } },
  addressType: 'IPv4',
  ports: [{ name: 'grpc', port }],
  endpoints,
})

/** Changes slices of a service, and tells of each step whether it was found. */
export async function checkDiscovery(
  { server, token, ca, folder, call }: Cluster,
  tell: (ok: boolean, text: string) => void,
): Promise<void> {
  const files = { token, 'ca.crt': ca, namespace }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const problems: string[] = []
  const options = { server, account: folder, namespace: '', timeoutMs: 3000 }
  const discovery = kubernetesDiscovery(options, reportInto(problems))
  const stop = new AbortController()
  let found = ''
  discovery.watch('orders', stop.signal, (instances) => {
    found = instances.flatMap(({ endpoints }) => endpoints).join()
  })

  async function step(title: string, expected: string, change: () => Promise<unknown>) {
    await change()
    const isFound = await soon(() => found === expected)
    tell(isFound, `discovery: ${title}${isFound ? '' : `: ${found}`}`)
  }
  const replace = (object: { metadata: { name: string } }) =>
    call('PUT', `${path}/${object.metadata.name}`, object)

  tell(await soon(() => problems.length === 1), 'discovery: an empty list at the start')
  const [a, b] = ['grpc://10.0.0.1:9000', 'grpc://10.0.0.2:9001']
  await step('a ready endpoint', a, () =>
    call('POST', path, slice('a', 9000, [endpoint('10.0.0.1', true), endpoint('10.0.0.3', false)])),
  )
  await step('a second slice with a port of its own', `${a},${b}`, () =>
    call('POST', path, slice('b', 9001, [endpoint('10.0.0.2', true)])),
  )
  await step('an endpoint that is being ended', b, () =>
    replace(slice('a', 9000, [endpoint('10.0.0.1', true, true)])),
  )
  await step('an endpoint that is ready again', `${a},${b}`, () =>
    replace(slice('a', 9000, [endpoint('10.0.0.1', true)])),
  )
  await step('a slice that is deleted', a, () => call('DELETE', `${path}/b`))
  tell(problems.length === 1, `discovery: no other list was read (${problems.join('; ')})`)
  await discovery.close()
}

/** Resolves with whether something holds within the time of a step. */
async function soon(holds: () => boolean): Promise<boolean> {
  for (const end = Date.now() + waitMs; !holds() && Date.now() < end;) await sleep(10)
  return holds()
}

/** Keeps the causes of lists that were read anew: none but the empty list at the start. */
function reportInto(problems: string[]): Report {
  const ignored = () => undefined
  return {
    announced: ignored,
    lost: ignored,
    withdrawn: ignored,
    contested: ignored,
    listed: ignored,
    stale: (_name, problem) => void problems.push(problem),
    broken: (_key, problem) => void problems.push(problem),
    connecting: (_facts, connect) => connect(),
  }
}
