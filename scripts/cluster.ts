// `npm run chart:cluster`: the chart against a real Kubernetes API server and etcd, without nodes or
// controllers: every object is admitted and stored, pods are asked for under the enforced restricted
// profile, and releases are upgraded and rolled back. KUBE_APISERVER and ETCD name the programs (docs/
// deployment.md tells how Go builds them), CRDS a folder with the Gateway API's and the Prometheus
// operator's resource definitions. Run by hand, since the build takes minutes.
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'

import { valueSets } from './chart.ts'
import { checkDiscovery } from './cluster-discovery.ts'
import { freePort } from './free-port.ts'
import { goTool, run } from './go-tool.ts'

const chart = join(import.meta.dirname, '../deploy/helm/user-service')
const startTimeoutMs = 180_000

interface Kind {
  apiVersion: string
  kind: string
}

interface KubeObject extends Kind {
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> }
  spec?: {
    template?: { metadata: object; spec: { volumes?: object[] } }
    volumeClaimTemplates?: { metadata: { name: string } }[]
  }
  data?: Record<string, string>
}

interface Answer {
  status: number
  body: KubeObject & { message?: string; gitVersion?: string }
}

type Api = ReturnType<typeof apiClient>

/** Requests of a user who may do everything. The certificate is the server's own, made at its start. */
function apiClient(port: number, token: string) {
  const plurals: Record<string, string> = {
    NetworkPolicy: 'networkpolicies',
    Ingress: 'ingresses',
  }
  async function call(method: string, path: string, body?: object): Promise<Answer> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const options = { host: '127.0.0.1', port, path, method, headers, timeout: 60_000 }
    const request = https.request({ ...options, rejectUnauthorized: false })
    request.once('timeout', () => request.destroy(new Error(`no answer to ${method} ${path}`)))
    request.end(body && JSON.stringify(body))
    const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    const isJson = String(response.headers['content-type']).includes('json')
    const parsed = JSON.parse(isJson ? text : '{}') as Answer['body']
    return { status: response.statusCode ?? 0, body: parsed }
  }
  function pathOf({ apiVersion, kind }: Kind, namespace: string): string {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    return `${root}/namespaces/${namespace}/${plurals[kind] ?? `${kind.toLowerCase()}s`}`
  }
  return {
    call,
    get: (object: KubeObject, namespace: string) =>
      call(
        'GET',
        `${pathOf(object, object.metadata.namespace ?? namespace)}/${object.metadata.name}`,
      ),
    /** Asks whether it would be created; an unknown field is an error. */
    tryCreate: (object: Kind, namespace: string) =>
      call('POST', `${pathOf(object, namespace)}?dryRun=All&fieldValidation=Strict`, object),
  }
}

function program(variable: string): string {
  const path = process.env[variable]
  if (!path) throw new Error(`${variable} names no program; see docs/deployment.md`)
  return path
}

function start(command: string, args: string[], log: string): ChildProcess {
  const output = openSync(log, 'w')
  return spawn(command, args, { stdio: ['ignore', output, output] })
}

async function startCluster(folder: string) {
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()]
  const token = randomUUID()
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const etcdUrl = `http://127.0.0.1:${etcdPort}`
  const peerUrl = `http://127.0.0.1:${peerPort}`
  const etcd = start(
    program('ETCD'),
    [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      '--unsafe-no-fsync',
    ],
    join(folder, 'etcd.log'),
  )
  const server = start(
    program('KUBE_APISERVER'),
    [
      `--etcd-servers=${etcdUrl}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${port}`,
      `--cert-dir=${join(folder, 'certificates')}`,
      `--token-auth-file=${file('tokens.csv', `${token},admin,admin,system:masters\n`)}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('service-account.pub', publicKey)}`,
      `--service-account-signing-key-file=${file('service-account.key', privateKey)}`,
      // Without controllers nobody makes the accounts that it would look for.
      '--disable-admission-plugins=ServiceAccount',
    ],
    join(folder, 'kube-apiserver.log'),
  )
  async function stop(): Promise<void> {
    for (const child of [server, etcd]) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
  }
  const api = apiClient(port, token)
  const deadline = Date.now() + startTimeoutMs
  for (;;) {
    const ready = await api.call('GET', '/readyz').catch(() => undefined)
    if (ready?.status === 200) break
    if (Date.now() > deadline || server.exitCode !== null) {
      await stop()
      const log = readFileSync(join(folder, 'kube-apiserver.log'), 'utf8').split('\n').slice(-15)
      throw new Error(`the API server did not get ready:\n${log.join('\n')}`)
    }
    await sleep(250)
  }
  const flags = [`--kube-apiserver=https://127.0.0.1:${port}`, `--kube-token=${token}`]
  const ca = readFileSync(join(folder, 'certificates/apiserver.crt'), 'utf8')
  const access = { server: `https://127.0.0.1:${port}`, token, ca, folder }
  return { api, stop, access, helmFlags: [...flags, '--kube-insecure-skip-tls-verify'] }
}

let failures = 0

function tell(ok: boolean, text: string): void {
  if (!ok) failures += 1
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${text}`)
}

function objectsOf(text: string): KubeObject[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null)
}

async function installCrds(api: Api): Promise<number> {
  const folder = process.env.CRDS
  if (!folder) return 0
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  let installed = 0
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.yaml')))
    for (const object of objectsOf(readFileSync(join(folder, name), 'utf8'))) {
      if (object.kind !== 'CustomResourceDefinition') continue
      const { status, body } = await api.call('POST', path, object)
      if (status !== 201) throw new Error(`${name}: ${status} ${body.message}`)
      installed += 1
    }
  // Served a moment after they are stored.
  await sleep(installed > 0 ? 5000 : 0)
  return installed
}

async function makeNamespace(api: Api, name: string): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
  const { status } = await api.call('POST', '/api/v1/namespaces', namespace)
  if (status !== 201) throw new Error(`namespace ${name}: ${status}`)
}

interface Context {
  api: Api
  helm: (...args: string[]) => string
}

/** What the release stores, what its hooks would, and the pods that its controllers would make. */
async function checkRelease({ api, helm }: Context, namespace: string): Promise<void> {
  const stored = objectsOf(helm('get', 'manifest', 'users', '-n', namespace))
  for (const object of stored) {
    const { status } = await api.get(object, namespace)
    tell(status === 200, `${namespace}: ${object.kind} ${object.metadata.name} is stored`)
  }
  for (const hook of objectsOf(helm('get', 'hooks', 'users', '-n', namespace))) {
    const { status, body } = await api.tryCreate(hook, namespace)
    const problem = status === 201 ? '' : `: ${body.message}`
    tell(status === 201, `${namespace}: the hook's ${hook.kind} would be created${problem}`)
  }
  for (const object of stored.filter(({ spec }) => spec?.template)) {
    const { status, body } = await api.tryCreate(podOf(object), namespace)
    const problem = status === 201 ? '' : `: ${body.message}`
    tell(
      status === 201,
      `${namespace}: the restricted profile admits the ${object.kind}'s pod${problem}`,
    )
  }
}

/** The pod that a controller would make, with the volumes of its claims. */
function podOf({ spec }: KubeObject): Kind {
  const { template, volumeClaimTemplates = [] } = spec ?? {}
  const claims = volumeClaimTemplates.map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: name },
  }))
  const volumes = [...(template?.spec.volumes ?? []), ...claims]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template?.metadata, name: 'pod' },
    spec: { ...template?.spec, volumes },
  } as Kind
}

/** That a refusal is possible at all: otherwise everything above would say nothing. */
async function checkRefusals({ api }: Context, namespace: string): Promise<void> {
  const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec })
  const containers = [{ name: 'x', image: 'x' }]
  const plain = await api.tryCreate(pod({ containers }), namespace)
  tell(plain.status === 403, `control: a pod that is not restricted is refused (${plain.status})`)
  const typo = await api.tryCreate(pod({ containers, restartPolice: 'Never' }), namespace)
  tell(typo.status === 400, `control: an unknown field is refused (${typo.status})`)
}

/** From the trial's values to others and back: objects follow, the database's password stays. */
async function checkUpgrade({ api, helm }: Context): Promise<void> {
  const namespace = 'upgrade'
  await makeNamespace(api, namespace)
  const object = (apiVersion: string, kind: string, suffix = '') => {
    const metadata = { name: `users-user-service${suffix}` }
    return api.get({ apiVersion, kind, metadata }, namespace)
  }
  const state = async () => {
    const [deployment, secret, settings, scaler] = await Promise.all([
      object('apps/v1', 'Deployment'),
      object('v1', 'Secret', '-database'),
      object('v1', 'ConfigMap'),
      object('autoscaling/v2', 'HorizontalPodAutoscaler'),
    ])
    const { template } = deployment.body.spec ?? {}
    const pods = JSON.stringify(template)
    return { pods, dsn: secret.body.data?.dsn, settings: settings.body.data, scaler: scaler.status }
  }
  const flags = ['-n', namespace, '--no-hooks']
  helm('install', 'users', chart, ...flags, '--set', 'mysql.enabled=true,autoscaling.enabled=false')
  const first = await state()
  const changed = 'mysql.enabled=true,config.log.level=warn,shutdown.drainDelaySeconds=3'
  helm('upgrade', 'users', chart, ...flags, '--set', changed)
  const second = await state()
  tell(first.dsn !== undefined && first.dsn === second.dsn, 'upgrade: the made password is kept')
  tell(first.pods !== second.pods, 'upgrade: new settings make new pods')
  tell(second.settings?.['config.yaml']?.includes('warn') === true, 'upgrade: the settings are new')
  tell(first.scaler === 404 && second.scaler === 200, 'upgrade: the autoscaler is added')
  helm('rollback', 'users', '1', ...flags)
  const third = await state()
  tell(JSON.stringify(third) === JSON.stringify(first), 'rollback: all is as at first')
  helm('uninstall', 'users', '-n', namespace, '--no-hooks')
  const { status } = await object('apps/v1', 'Deployment')
  tell(status === 404, 'uninstall: nothing of it is left')
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'user-service-cluster-'))
  const helmProgram = goTool('helm', 'helm.sh/helm/v4/cmd/helm', 'v4.3.1')
  const { api, stop, access, helmFlags } = await startCluster(folder)
  const home = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder }
  const helm = (...args: string[]) => run(helmProgram, [...args, ...helmFlags], home)
  try {
    const { body } = await api.call('GET', '/version')
    console.log(`Kubernetes ${body.gitVersion}, ${await installCrds(api)} resource definitions`)
    // Of the values that have everything on.
    await makeNamespace(api, 'orders')
    for (const [set, values] of Object.entries(valueSets)) {
      const name = `users-${set}`
      await makeNamespace(api, name)
      const notes = helm('install', 'users', chart, '-n', name, '--no-hooks', ...values)
      tell(/curl .*\n.*grpcurl /.test(notes), `${name}: the notes have the curl and grpcurl lines`)
      await checkRelease({ api, helm }, name)
    }
    await checkRefusals({ api, helm }, 'users-default')
    await checkUpgrade({ api, helm })
    await checkDiscovery({ ...access, call: api.call }, tell)
  } finally {
    await stop()
    rmSync(folder, { recursive: true })
  }
}

try {
  await main()
  process.exitCode = failures === 0 ? 0 : 1
} catch (err) {
  console.error(`cluster: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
