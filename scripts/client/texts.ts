// The files of a package of clients that are not generated from the proto.
import type { PackedService } from './services.ts'

/** What package.json says of the package. */
export interface Packed {
  name: string
  version: string
  /** Exact, since generated code and its library belong together. */
  peers: Readonly<Record<string, string>>
}

export function manifest({ name, version, peers }: Packed): string {
  const content = {
    name,
    version,
    description: 'Clients of the service, generated from its proto',
    type: 'module',
    sideEffects: false,
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './api/*.js': { types: './api/*.d.ts', default: './api/*.js' },
    },
    peerDependencies: peers,
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

export function index(services: readonly PackedService[]): string {
  return `import { ConnectError, createClient } from '@connectrpc/connect'
${services.map(imported).join('\n')}
import { ErrorInfoSchema } from './google/rpc/error_details_pb.js'

export { ${services.map(({ exported }) => exported).join(', ')} }

export function createClients(transport) {
  return {
    ${services.map(({ name, exported }) => `${name}: createClient(${exported}, transport),`).join('\n    ')}
  }
}

export function reasonOf(error) {
  const [info] = ConnectError.from(error).findDetails(ErrorInfoSchema)
  return info && { reason: info.reason, metadata: info.metadata }
}
`
}

export function types(services: readonly PackedService[]): string {
  return `import type { Client, Transport } from '@connectrpc/connect'
${services.map(imported).join('\n')}

export { ${services.map(({ exported }) => exported).join(', ')} }

/** A client of each service, over one transport of Connect. */
export declare function createClients(transport: Transport): {
  ${services.map(({ name, exported }) => `${name}: Client<typeof ${exported}>`).join('\n  ')}
}

/** What a client branches on in an error of the service; undefined for any other error. */
export declare function reasonOf(
  error: unknown,
): { reason: string; metadata: Record<string, string> } | undefined
`
}

function imported({ exported, module }: PackedService): string {
  return `import { ${exported} } from '${module}'`
}

export function readme(
  { name, version, peers }: Packed,
  services: readonly PackedService[],
): string {
  const [first] = services
  const method = first?.desc.methods.find(({ name }) => name.startsWith('List'))
  const call = method ? `await ${first?.name}.${method.localName}({})` : first?.name
  const install = Object.entries(peers).map(([peer, at]) => `${peer}@${at}`)
  return `# ${name}

Clients for ${services.map(({ desc }) => `\`${desc.typeName}\``).join(', ')}, version ${version} of the API: types, messages and Connect clients. Generated; do not edit.

\`\`\`sh
npm install ${name} ${install.join(' ')} @connectrpc/connect-node@${peers['@connectrpc/connect']}
\`\`\`

\`\`\`ts
import { createGrpcTransport } from '@connectrpc/connect-node'
import { createClients, reasonOf } from '${name}'

const { ${services.map((service) => service.name).join(', ')} } = createClients(createGrpcTransport({ baseUrl: 'http://localhost:9000' }))

try {
  console.log(${call})
} catch (err) {
  console.log(reasonOf(err)?.reason ?? err)
}
\`\`\`

In a browser the transport is \`createConnectTransport\` of \`@connectrpc/connect-web\`, to the same port. Messages and their schemas are in modules of their own: \`import { ${first?.exported} } from '${name}/${first?.module.slice(2)}'\`.

The peers are exact, because generated code and its library belong together.
`
}
