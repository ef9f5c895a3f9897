import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { durationMs } from '@bufbuild/protobuf/wkt'
import { test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { staleChartFiles } from '../../scripts/chart-files.ts'
import { chartDigest, renderedFolder, valueSets } from '../../scripts/chart.ts'
import { parseDockerfile } from '../../scripts/dockerfile.ts'
import { loadConf } from '../../src/conf/conf.ts'
import { startApp } from '../help/app.ts'

// What Helm renders is committed, since Helm is no dependency: `npm run chart -- --write` renews it.

interface Container {
  name: string
  args?: string[]
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string } } }[]
  ports?: { name: string; containerPort: number }[]
  volumeMounts?: object[]
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  securityContext: object
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
}

type Probe = { httpGet: { path: string; port: string; scheme: string } }

interface PodSpec {
  securityContext: object
  terminationGracePeriodSeconds: number
  containers: [Container, ...Container[]]
  volumes?: object[]
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string; labels: Record<string, string> }
  data?: Record<string, string>
  stringData?: Record<string, string>
  spec: {
    replicas?: number
    ports: { name: string; port: number; targetPort: string; appProtocol: string }[]
    selector: Record<string, string> & { matchLabels: Record<string, string> }
    podSelector: object
    ingress: { from: object[] }[]
    egress: { to?: object[]; ports: { port: number | string }[] | null }[]
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec }
    containers?: PodSpec['containers']
    minReplicas: number
    maxReplicas: number
    metrics: { resource: { name: string; target: { averageUtilization: number } } }[]
    behavior: Record<'scaleUp' | 'scaleDown', { stabilizationWindowSeconds: number }>
  }
}

const project = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, project), 'utf8')
const defaults = { text: read('configs/config.yaml'), origin: 'configs/config.yaml' }

function rendered(name: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(renderedFolder, `${name}.yaml`), 'utf8'))
  return documents.map((document) => document.toJS() as Manifest)
}

function only(manifests: Manifest[], kind: string, component = 'server'): Manifest {
  const [first] = manifests.filter(
    ({ kind: found, metadata }) =>
      found === kind && metadata.labels['app.kubernetes.io/component'] === component,
  )
  if (first === undefined) throw new Error(`there is no ${kind}`)
  return first
}

/** The settings of a rendered chart, as its pods read them. */
function settings(manifests: Manifest[], component?: string) {
  const [container] = only(manifests, 'Deployment', component).spec.template.spec.containers
  const env = Object.fromEntries(
    (container.env ?? []).map(({ name, value }) => [name, value ?? '']),
  )
  const text = only(manifests, 'ConfigMap').data?.['config.yaml'] ?? ''
  return loadConf({ text, origin: 'config.yaml' }, { ...env, DB_DSN: 'mysql://u@h/d' }, defaults)
}

test('what the chart has from elsewhere in the project is fresh', async (t) => {
  t.strictSame(staleChartFiles(), [], 'npm run chart:files')
})

test('the rendered manifests are those of this chart', async (t) => {
  const digest = readFileSync(join(renderedFolder, 'chart.sha256'), 'utf8').trim()
  t.equal(digest, chartDigest(), 'npm run chart -- --write')
})

for (const name of Object.keys(valueSets)) {
  const manifests = rendered(name)
  const deployment = only(manifests, 'Deployment')
  const pod = deployment.spec.template.spec
  const [container] = pod.containers

  test(`${name}: the service's own loader takes the settings`, async (t) => {
    const { server, data } = settings(manifests)
    t.equal(server.http.addr, '0.0.0.0:8000')
    t.equal(server.grpc.addr, '0.0.0.0:9000')
    t.not(data.database.source, '', 'never the embedded database')
    t.equal(server.tls.certFile !== '', container.readinessProbe.httpGet.scheme === 'HTTPS')
  })

  test(`${name}: the grace period covers drain delay, calls in flight and the end`, async (t) => {
    const { drainDelay, timeout } = settings(manifests).server.shutdown
    const needed = (durationMs(drainDelay) + durationMs(timeout)) / 1000
    t.ok(needed > 0)
    t.equal(pod.terminationGracePeriodSeconds, needed + 5)
  })

  test(`${name}: every pod satisfies the restricted profile`, async (t) => {
    const specs = manifests.flatMap(({ kind, spec }) => {
      if (kind === 'Pod') return [spec as unknown as PodSpec]
      return spec?.template ? [spec.template.spec] : []
    })
    t.ok(specs.length >= 2, 'the service and the test')
    for (const { securityContext, containers, volumes = [] } of specs) {
      t.match(securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      for (const { securityContext } of containers)
        t.strictSame(securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      for (const volume of volumes) t.notMatch(volume, { hostPath: {} })
    }
  })

  test(`${name}: the Service reaches the pods by name of port`, async (t) => {
    const { selector, ports } = only(manifests, 'Service').spec
    t.match(deployment.spec.template.metadata.labels, selector)
    t.strictSame(deployment.spec.selector.matchLabels, selector)
    const open = new Map(container.ports?.map(({ name, containerPort }) => [name, containerPort]))
    for (const { name, port, targetPort } of ports) t.equal(open.get(targetPort), port, name)
    const exposed = parseDockerfile(read('Dockerfile')).find(({ name }) => name === 'EXPOSE')
    t.strictSame([...open.values()].map(String), exposed?.text.split(' '))
  })

  test(`${name}: labels and namespaces are texts, also those of a release named 2024`, async (t) => {
    const places = manifests.flatMap(({ metadata, spec }) => [
      ...Object.values(metadata.labels),
      ...Object.values(spec?.template?.metadata.labels ?? {}),
      metadata.namespace ?? '',
    ])
    for (const text of places) t.type(text, 'string')
  })

  test(`${name}: no rule of a NetworkPolicy opens all ports to everybody`, async (t) => {
    const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy')
    for (const { to, ports } of policies.flatMap(({ spec }) => spec.egress)) t.ok(to ?? ports)
  })

  test(`${name}: pods may reach the collector and the sources that their settings name`, async (t) => {
    const { tracing, metrics, registry, config } = settings(manifests)
    const { egress } = only(manifests, 'NetworkPolicy').spec
    const open = new Set(egress.flatMap(({ ports }) => ports?.map(({ port }) => port)))
    t.equal(open.has(4318), tracing.endpoint + metrics.push.endpoint !== '')
    t.equal(open.has(8500), registry.kind !== 'off' || config.sources !== '')
  })

  test(`${name}: the pods read the DSN from one Secret`, async (t) => {
    const dsn = container.env?.find((variable) => variable.name === 'DB_DSN')
    const secret = dsn?.valueFrom?.secretKeyRef?.name
    t.ok(secret)
    const own = manifests.find(({ kind }) => kind === 'Secret')
    if (own) t.equal(own.metadata.name, secret)
  })
}

test('orders have pods of their own, which ask those of users', async (t) => {
  const manifests = rendered('orders')
  const [users, orders] = [settings(manifests), settings(manifests, 'orders')]
  t.match(users.services, { user: { enabled: true }, order: { enabled: false } })
  t.match(orders.services, { user: { enabled: false }, order: { enabled: true } })
  const headless = manifests.find(({ spec }) => spec && 'clusterIP' in spec)
  t.equal(orders.clients.user.target, `dns:///${headless?.metadata.name}.users:9000`)
  t.match(only(manifests, 'Deployment').spec.template.metadata.labels, headless?.spec.selector)
  t.not(orders.registry.name, users.registry.name)
  t.strictSame([users.registry.goZeroKey, orders.registry.goZeroKey], ['user.rpc', ''])
  t.equal(orders.clients.user.credentials.apiKeyFile, '/etc/user-service/users/api-key')
  t.equal(users.clients.user.credentials.apiKeyFile, '')
  const { spec } = only(manifests, 'Deployment', 'orders')
  const { selector } = only(manifests, 'Service', 'orders').spec
  t.match(spec.template.metadata.labels, selector)
  t.notMatch(only(manifests, 'Deployment').spec.template.metadata.labels, selector)
})

test('credentials come from Secrets, and none is a setting of the ConfigMap', async (t) => {
  const manifests = rendered('everything')
  const [container] = only(manifests, 'Deployment').spec.template.spec.containers
  const secrets = (container.env ?? []).flatMap(({ name, valueFrom }) =>
    valueFrom?.secretKeyRef ? [[name, valueFrom.secretKeyRef.name]] : [],
  )
  t.strictSame(Object.fromEntries(secrets), {
    DB_DSN: 'users-database',
    CACHE_REDIS: 'users-redis',
    QUOTA_REDIS: 'users-redis',
    AUTH_SECRET: 'users-tokens',
  })
  const { auth } = settings(manifests)
  t.equal(auth.jwt.jwksUrl, 'https://id.example.org/keys')
  t.equal(auth.apiKeysFile, '/etc/user-service/auth/keys.txt')
})

test('the Job of migrations has the volumes and variables that its DSN may need', async (t) => {
  const manifests = rendered('everything')
  const [job, pods] = [only(manifests, 'Job', 'migrate'), only(manifests, 'Deployment')].map(
    ({ spec }) => spec.template.spec,
  )
  const ca = { name: 'ca', configMap: { name: 'database-ca' } }
  const mount = { name: 'ca', mountPath: '/etc/user-service/ca', readOnly: true }
  for (const spec of [job, pods]) {
    t.strictSame(spec?.volumes?.at(-1), ca)
    t.strictSame(spec?.containers[0].volumeMounts?.at(-1), mount)
    t.strictSame(spec?.containers[0].env?.at(-1), { name: 'TIMEOUT', value: '2s' })
  }
})

test('rules ask for the jobs that a ServiceMonitor names after the Services', async (t) => {
  for (const name of ['production', 'everything']) {
    const { spec } = only(rendered(name), 'PrometheusRule')
    const patterns = Array.from(
      JSON.stringify(spec).matchAll(/job=~\\"(.*?)\\"/g),
      ([, job]) => job,
    )
    t.equal(patterns.length, 3)
    const job = only(rendered(name), 'Service').metadata.name
    for (const pattern of patterns) t.match(job, new RegExp(`^(?:${pattern})$`))
  }
})

test('the autoscaler and the resources are as the documentation says', async (t) => {
  const manifests = rendered('default')
  const { minReplicas, maxReplicas, metrics, behavior } = only(
    manifests,
    'HorizontalPodAutoscaler',
  ).spec
  t.strictSame([minReplicas, maxReplicas], [3, 20])
  const aims = metrics.map(({ resource }) => [resource.name, resource.target.averageUtilization])
  t.strictSame(aims, [
    ['cpu', 70],
    ['memory', 80],
  ])
  t.equal(behavior.scaleUp.stabilizationWindowSeconds, 0)
  t.equal(behavior.scaleDown.stabilizationWindowSeconds, 300)
  const { spec } = only(manifests, 'Deployment')
  t.notOk('replicas' in spec, 'the number is the autoscaler’s alone')
  t.strictSame(spec.template.spec.containers[0].resources, {
    requests: { cpu: '250m', memory: '256Mi' },
    limits: { cpu: '500m', memory: '512Mi' },
  })
})

test('the trial’s pods and its database have the same password', async (t) => {
  const manifests = rendered('trial')
  const secret = manifests.find(({ kind }) => kind === 'Secret')
  const host = only(manifests, 'Service', 'mysql').metadata.name
  t.match(secret?.stringData, {
    password: 'trial',
    dsn: `mysql://users:trial@${host}:3306/users`,
  })
})

test('the trial’s database lets in all pods of the service', async (t) => {
  const policies = rendered('trial').filter(({ kind }) => kind === 'NetworkPolicy')
  const [own, mysql] = ['server', 'mysql'].map((name) => only(policies, 'NetworkPolicy', name).spec)
  const [rule] = mysql?.ingress ?? []
  t.strictSame(rule?.from, [{ podSelector: own?.podSelector }])
})

test('the paths of the probes are the service’s', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const [container] = only(rendered('default'), 'Deployment').spec.template.spec.containers
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
    const { path, port } = container[probe].httpGet
    t.equal(port, 'http')
    t.equal((await fetch(`${app.rest.url}${path}`)).status, 200, `${probe} ${path}`)
  }
})

/** Runs the program of `helm test` against two ports, and gives its exit code. */
async function smoke(http: number, grpc: number): Promise<number> {
  const script = new URL('deploy/helm/user-service/files/smoke.mjs', project)
  const env = { SERVICE: '127.0.0.1', SCHEME: 'http', HTTP_PORT: `${http}`, GRPC_PORT: `${grpc}` }
  const args = ['--input-type=module', '--eval', readFileSync(script, 'utf8')]
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
  const [code] = (await once(child, 'exit')) as [number]
  return code
}

test('the program of `helm test` passes where callers are asked for credentials on both ports', async (t) => {
  const keys = `${t.testdir()}/keys`
  writeFileSync(keys, `app ${createHash('sha256').update('secret').digest('hex')}\n`)
  const guarded = await startApp(t, { storage: 'sqlite', env: { API_KEYS_FILE: keys } })
  const open = await startApp(t, { storage: 'sqlite' })
  t.equal(await smoke(guarded.rest.port, guarded.rpc.port), 0)
  t.equal(await smoke(guarded.rest.port, open.rpc.port), 1, 'one port asks for none')
})

test('the program of `helm test` passes on a service that works, and fails on none', async (t) => {
  const app = await startApp(t, { storage: 'mysql' })
  t.equal(await smoke(app.rest.port, app.rpc.port), 0)
  t.equal(await smoke(app.rest.port, 1), 1, 'the RPC port is missing')
})
