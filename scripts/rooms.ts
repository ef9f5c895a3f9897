// Holds each import of src/ against one table of what is allowed, and finds import circles; imports
// of
// types count. The room of a file is the longest path of the table that the file's path begins
// with.
import { type Import, importsOf, sources } from './imports.ts'

interface Room {
  /** Rooms that its files may import from, in addition to their own. */
  rooms: string
  /** Packages; `*` at the end of a name stands for every ending. Node's own modules are free. */
  packages?: string
}

const wire = '@bufbuild/protobuf @connectrpc/connect fastify'
const openTelemetry = `${wire} @opentelemetry/* pino`
const data = 'src/data src/biz src/gen src/memory'
const rest = 'src/rest src/call src/gen src/memory src/text'
const restInside = `${rest} src/rest/options.ts src/rest/route src/rest/request src/rest/answer`
const server = `${restInside} src/memory src/server src/server/listener src/server/exchange`
const port = `${server} src/server/origin src/server/admission`
const client = 'src/client src/client/target src/client/limit src/client/node'
// Rooms that telemetry imports types from.
const watched =
  'src/call src/client src/client/target src/conf src/data src/data/redis src/server/exchange src/gen src/memory src/text'
const telemetry = `${watched} src/telemetry`

const table: Record<string, Room> = {
  'src/text': { rooms: '', packages: '@connectrpc/connect' },
  'src/memory': { rooms: '' },
  'src/http2': { rooms: '', packages: '@connectrpc/connect-node' },
  'src/biz': { rooms: 'src/gen' },
  'src/call': { rooms: 'src/gen src/text', packages: wire },
  // What services see of their callers.
  'src/call/caller': { rooms: '', packages: '@connectrpc/connect' },
  'src/conf': {
    rooms: 'src/gen src/text',
    packages: 'yaml @bufbuild/protobuf @bufbuild/protovalidate',
  },
  'src/service': {
    rooms: 'src/biz src/call/caller src/gen src/text',
    packages: '@bufbuild/protobuf @connectrpc/connect',
  },
  'src/data': { rooms: data, packages: 'drizzle-orm' },
  // What other services are asked for.
  'src/data/customers.ts': { rooms: data, packages: '@connectrpc/connect' },
  'src/data/mysql': { rooms: data, packages: 'drizzle-orm mysql2' },
  'src/data/sqlite': { rooms: data, packages: 'drizzle-orm' },
  'src/data/redis': { rooms: data, packages: 'ioredis @bufbuild/protobuf' },
  // What clients and the app see of registries.
  'src/fleet/registry.ts': { rooms: '' },
  // Calls to other services: targets give addresses, which become nodes.
  'src/client/target': { rooms: 'src/client src/fleet/registry.ts' },
  'src/client/limit': { rooms: 'src/client' },
  'src/client/node': {
    rooms: 'src/client src/client/target src/http2',
    packages: '@bufbuild/protobuf @connectrpc/connect @connectrpc/connect-node',
  },
  'src/client': {
    rooms: `${client} src/call src/fleet/registry.ts src/gen`,
    packages: '@bufbuild/protobuf @connectrpc/connect',
  },
  // Services of other processes: their descriptors, and handlers that pass calls on.
  'src/gateway': {
    rooms: 'src/call src/client src/gen',
    packages: '@bufbuild/protobuf @connectrpc/connect',
  },
  // What the rooms of REST share, then those rooms in the order of a call.
  'src/rest': { rooms: rest, packages: wire },
  'src/rest/route': { rooms: rest, packages: wire },
  'src/rest/request': { rooms: `${rest} src/rest/route`, packages: wire },
  'src/rest/options.ts': { rooms: `${rest} src/rest/route src/rest/request`, packages: wire },
  'src/rest/answer': {
    rooms: `${rest} src/rest/options.ts src/rest/route src/rest/request`,
    packages: wire,
  },
  'src/rest/stream': { rooms: restInside, packages: wire },
  'src/rest/compiled-route.ts': { rooms: `${restInside} src/rest/stream`, packages: wire },
  'src/rest/server-options.ts': { rooms: restInside, packages: wire },
  'src/rest/plugin.ts': { rooms: `${restInside} src/rest/compiled-route.ts`, packages: wire },
  'src/rest/openapi': {
    rooms: `${rest} src/rest/route src/rest/request src/rest/answer src/rest/stream`,
    packages: `${wire} @bufbuild/protovalidate`,
  },
  // Calls of other services by their rules: rest, seen from the other end.
  'src/client/rest': {
    rooms: 'src/rest src/rest/route src/call src/gen src/text',
    packages: '@bufbuild/protobuf @connectrpc/connect',
  },
  // From the socket up to the two ports.
  'src/server': { rooms: server, packages: wire },
  'src/server/listener': { rooms: 'src/memory' },
  'src/server/exchange': {
    rooms: `${rest} src/memory src/server/listener`,
    packages: `${wire} pino`,
  },
  'src/server/origin': { rooms: server, packages: wire },
  'src/server/admission': { rooms: `${server} src/server/origin`, packages: wire },
  'src/server/rpc': { rooms: server, packages: `${wire} @connectrpc/connect-node` },
  // How much callers may ask for.
  'src/server/limit': { rooms: server, packages: wire },
  // Who calls, and what they may.
  'src/server/auth': { rooms: `${server} src/call/caller`, packages: `${wire} jose` },
  'src/server/interceptor': {
    rooms: `${server} src/call/caller src/server/auth src/server/limit src/biz`,
    packages: `${wire} @bufbuild/protovalidate`,
  },
  'src/server/health': { rooms: server, packages: wire },
  'src/server/docs': { rooms: server, packages: wire },
  'src/server/reflection': { rooms: server, packages: wire },
  'src/server/port.ts': { rooms: port, packages: wire },
  'src/server/http.ts': {
    rooms: `${port} src/server/port.ts src/server/health src/server/docs src/rest/plugin.ts src/rest/server-options.ts`,
    packages: wire,
  },
  'src/server/grpc.ts': {
    rooms: `${port} src/server/port.ts src/server/rpc`,
    packages: `${wire} @connectrpc/connect-fastify`,
  },
  'src/telemetry': { rooms: watched, packages: openTelemetry },
  'src/telemetry/log': { rooms: telemetry, packages: `${openTelemetry} pino-pretty` },
  // How all signals reach a collector.
  'src/telemetry/otlp': { rooms: telemetry, packages: '@grpc/grpc-js @opentelemetry/api' },
  'src/telemetry/trace': {
    rooms: `${telemetry} src/telemetry/log src/telemetry/otlp`,
    packages: openTelemetry,
  },
  'src/telemetry/metric': {
    rooms: `${telemetry} src/telemetry/trace src/telemetry/otlp`,
    packages: openTelemetry,
  },
  // What the systems share, then one room for each.
  'src/fleet': { rooms: 'src/fleet/registry.ts src/text' },
  'src/fleet/etcd': {
    rooms: 'src/fleet src/fleet/registry.ts src/gen src/http2 src/text',
    packages: '@connectrpc/connect @connectrpc/connect-node',
  },
  'src/fleet/consul': { rooms: 'src/fleet src/fleet/registry.ts src/text' },
  'src/fleet/kubernetes': { rooms: 'src/fleet src/fleet/registry.ts src/text' },
  'src/app': { rooms: '*', packages: '*' },
  'src/command': { rooms: '*', packages: '*' },
  'src/main.ts': { rooms: '*', packages: '*' },
  'src/gen': { rooms: '' },
}
// Those that see all others see each other in one direction.
const above: Record<string, RegExp> = {
  'src/app': /^src\/(?:command|main)/,
  'src/command': /^src\/main/,
  'src/main.ts': /^$/,
}

/** Every room, the rooms with longer paths first. */
export const rooms: readonly string[] = Object.keys(table).toSorted((a, b) => b.length - a.length)

function roomOf(file: string): string | undefined {
  return rooms.find((room) => file.startsWith(room))
}

function allows(list: string, name: string): boolean {
  const names = list.split(' ')
  return names.some((each) =>
    each.endsWith('*') ? name.startsWith(each.slice(0, -1)) : each === name,
  )
}

/** The reason why an import is not allowed; undefined if it is allowed. */
function objection({ from, to, ours }: Import): string | undefined {
  const room = roomOf(from)
  const allowed = room === undefined ? undefined : table[room]
  if (room === undefined || allowed === undefined) return `${from} is in no room of the table`
  if (!ours) {
    const name = to
      .split('/')
      .slice(0, to.startsWith('@') ? 2 : 1)
      .join('/')
    const isFree = to.startsWith('node:') || allows(allowed.packages ?? '', name)
    return isFree ? undefined : `${room} may not use ${name}`
  }
  const target = roomOf(to) ?? to
  if (above[room]?.test(to)) return `${room} may not import from ${target}`
  return target === room || allows(allowed.rooms, target)
    ? undefined
    : `${room} may not import from ${target}`
}

/** The files of each import circle, each found once. */
function circles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  function visit(file: string, path: readonly string[]): void {
    const at = path.indexOf(file)
    if (at !== -1) return void found.push([...path.slice(at), file].join(' → '))
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  return found
}

/** The imports that are not allowed and the import circles, one line each. */
export function problemsOf(imports: readonly Import[]): string[] {
  const refused = imports.flatMap((each) => {
    const reason = objection(each)
    return reason === undefined ? [] : [`${each.from}:${each.line} ${reason} (${each.to})`]
  })
  const byFile = Object.groupBy(
    imports.filter(({ ours }) => ours),
    ({ from }) => from,
  )
  const edges = new Map(
    Object.entries(byFile).map(([from, all = []]) => [from, all.map(({ to }) => to)]),
  )
  return [...refused, ...circles(edges).map((circle) => `circle: ${circle}`)]
}

/** The imports of src/. */
export function allImports(): Import[] {
  return sources('src').flatMap(importsOf)
}

if (import.meta.main) {
  const problems = problemsOf(allImports())
  for (const problem of problems) console.log(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
}
