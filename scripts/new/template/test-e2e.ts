import type { Field, Resource } from '../field.ts'

/** The tests of the whole service with a resource: its life over each protocol. */
export function testE2e(resource: Resource): string {
  const { noun, fields, unique } = resource
  const { snake, camel, pascal, upper, words, many, a } = noun
  const [changing] = fields
  const ruled = fields.filter(({ kind }) => kind.invalid !== undefined)
  const optional = fields.find(({ isOptional }) => isOptional)
  const hasTime = fields.some(({ kind }) => kind.domain === 'Date')
  const time = hasTime ? `import { timestampFromDate } from '@bufbuild/protobuf/wkt'\n` : ''
  return `${time}import { type Client, ConnectError, createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { restTransport } from '../../src/client/rest/transport.ts'
import { ${pascal} } from '../../src/gen/api/${snake}/v1/${snake}_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { type RunningApp, startApp } from '../help/app.ts'

type ${many.pascal} = Client<typeof ${pascal}>

/** The values of ${a} as a client gives them, told from those of others by the number. */
function fieldsOf(n: number) {
  return {
    ${fields.map((field) => `${field.camel}: ${field.kind.sample(field.words, 'n').message},`).join('\n    ')}
  }
}

/** A client for each protocol. */
function clients(t: Test, { rest, rpc }: RunningApp): [protocol: string, ${many.camel}: ${many.pascal}][] {
  const overRest = restTransport({ baseUrl: rest.url, dialect: 'kratos3' })
  t.teardown(() => overRest.close())
  const options = { baseUrl: rpc.url, httpVersion: '1.1' as const }
  const transports = {
    REST: overRest,
    Connect: createConnectTransport(options),
    gRPC: createGrpcTransport({ baseUrl: rpc.url }),
    'gRPC-Web': createGrpcWebTransport(options),
  }
  return Object.entries(transports).map(([protocol, transport]) => [
    protocol,
    createClient(${pascal}, transport),
  ])
}

/** The reason of a call that fails, and what its metadata names: over REST as JSON spells it. */
async function refusal(call: Promise<unknown>): Promise<{ reason: string; named: string[] }> {
  try {
    await call
  } catch (err) {
    const [info] = ConnectError.from(err).findDetails(ErrorInfoSchema)
    const named = Object.keys(info?.metadata ?? {}).map((name) =>
      name.replaceAll(/[A-Z]/g, (letter) => \`_\${letter.toLowerCase()}\`),
    )
    return { reason: info?.reason ?? String(err), named }
  }
  throw new Error('the call succeeded')
}

for (const storage of ['sqlite', 'mysql'] as const)
  test(\`${a} lives over each protocol (\${storage})\`, async (t) => {
    const app = await startApp(t, { storage })
    let n = 0
    for (const [protocol, ${many.camel}] of clients(t, app)) await t.test(protocol, (t) => life(t, ${many.camel}, (n += 10)))
  })

/** \`n\` and the numbers after it are of this life alone. */
async function life(t: Test, ${many.camel}: ${many.pascal}, n: number): Promise<void> {
  const created = await ${many.camel}.create${pascal}(fieldsOf(n))
  const { id } = created
  t.match(created, fieldsOf(n))
  t.strictSame(await ${many.camel}.get${pascal}({ id }), created)

  const { id: other } = await ${many.camel}.create${pascal}(fieldsOf(n + 1))
  const page = await ${many.camel}.list${many.pascal}({ pageSize: 1 })
  t.strictSame(page.${many.camel}, [created])
  const pageToken = page.nextPageToken
  const rest = await ${many.camel}.list${many.pascal}({ pageSize: 1, pageToken })
  t.strictSame([rest.${many.camel}.map((${camel}) => ${camel}.id), rest.nextPageToken], [[other], ''])
${changing ? changes(resource, changing) : ''}${optional ? clears(resource, optional) : ''}${unique.map((field) => taken(resource, field)).join('')}
  const invalid = { reason: 'INVALID_${upper}_INPUT', named: ['page_size'] }
  t.strictSame(await refusal(${many.camel}.list${many.pascal}({ pageSize: -1 })), invalid)
${ruled.map((field) => refused(resource, field)).join('')}
  await ${many.camel}.delete${pascal}({ id })
  const missing = { reason: '${upper}_NOT_FOUND', named: ['${snake}_id'] }
  t.strictSame(await refusal(${many.camel}.get${pascal}({ id })), missing)
  t.strictSame(await refusal(${many.camel}.update${pascal}({ id, ${camel}: fieldsOf(n) })), missing)
  t.strictSame(await refusal(${many.camel}.delete${pascal}({ id })), missing)
  await ${many.camel}.delete${pascal}({ id: other })
}

test('${a} as JSON has the names and forms of the proto', async (t) => {
  const now = () => new Date(1_700_000_000_999)
  const { rest } = await startApp(t, { storage: 'sqlite', now })
  const n = 1
  const ${camel} = {
    ${fields.map((field) => `${field.camel}: ${field.kind.sample(field.words, 'n').json},`).join('\n    ')}
  }
  const response = await fetch(\`\${rest.url}/v1/${many.kebab}\`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(${camel}),
  })
  t.equal(response.status, 200)
  t.strictSame(await response.json(), { id: '1', ...${camel}, createdAt: now().toISOString() })
  const none = await fetch(\`\${rest.url}/v1/${many.kebab}/2\`)
  t.strictSame([none.status, await none.json()], [
    404,
    { code: 404, reason: '${upper}_NOT_FOUND', message: 'there is no ${words} 2', metadata: { ${snake}_id: '2' } },
  ])
})
`
}

function changes({ noun }: Resource, { camel: field }: Field): string {
  const { camel, pascal, many } = noun
  return `
  const update = { ${field}: fieldsOf(n + 2).${field} }
  const changed = await ${many.camel}.update${pascal}({ id, ${camel}: update })
  t.match(changed, { ...fieldsOf(n), ...update })
  t.strictSame(await ${many.camel}.get${pascal}({ id }), changed)
`
}

function clears({ noun }: Resource, { camel: field, snake }: Field): string {
  const { pascal, many } = noun
  return `
  const cleared = await ${many.camel}.update${pascal}({ id, updateMask: { paths: ['${snake}'] } })
  t.equal(cleared.${field}, undefined)
`
}

function taken({ noun }: Resource, { camel: field, snake }: Field): string {
  const { pascal, many, upper } = noun
  return `
  const { ${field}: ${field}Taken } = fieldsOf(n + 1)
  t.strictSame(await refusal(${many.camel}.create${pascal}({ ...fieldsOf(n + 3), ${field}: ${field}Taken })), {
    reason: '${upper}_ALREADY_EXISTS',
    named: ['${snake}'],
  })
`
}

function refused({ noun }: Resource, { camel: field, snake, kind }: Field): string {
  const { pascal, many, upper } = noun
  return `  t.strictSame(await refusal(${many.camel}.create${pascal}({ ...fieldsOf(n + 4), ${field}: ${kind.invalid} })), {
    reason: 'INVALID_${upper}_INPUT',
    named: ['${snake}'],
  })
`
}
