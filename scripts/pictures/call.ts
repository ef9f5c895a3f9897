// The way of a call through the rooms, with the interceptors as the service has them.
import { interceptors } from '../../src/server/interceptor/list.ts'
import { rooms } from '../rooms.ts'
import { arrow, box, type Box, label, picture } from './svg.ts'

/** A room, or a file that is one, and what it does to a call. */
type Stop = [room: string, does: string]

const restStops: Stop[] = [
  ['src/server/http.ts', 'Fastify, hooks'],
  ['src/rest/route', 'path → method'],
  ['src/rest/request', 'path, query, body → message'],
]
const rpcStops: Stop[] = [
  ['src/server/grpc.ts', 'Fastify, hooks'],
  ['src/server/rpc', 'bytes → message'],
]
const sharedBefore: Stop[] = [
  ['src/server/listener', 'bytes → HTTP/1.1, HTTP/2'],
  ['src/server/admission', 'begin, wait or refuse'],
  ['src/server/exchange', 'one object for each exchange'],
]
const sharedAfter: Stop[] = [
  ['src/service', 'message → values'],
  ['src/biz', 'what comes out'],
  ['src/data', 'one statement or a transaction'],
]
const stores: Stop[] = [
  ['src/data/mysql', 'a pool'],
  ['src/data/sqlite', 'a file'],
]

const [height, gap, wide] = [40, 18, 250]
const [left, middle, right] = [20, 165, 310]
const sheet = 580

/** The names of the interceptors, the outermost first: those of the functions that they put around a call. */
function interceptorNames(): string[] {
  const auth = { authenticate: unused, access: { scopesOf: unused }, audit: unused }
  const list = interceptors({ defaultMs: 0, byOperation: new Map() }, () => undefined, {
    auth: auth as never,
  })
  return list.map((each) => each(unused).name)
}

function unused(): never {
  throw new Error('nothing is called for a picture')
}

function column(stops: readonly Stop[], x: number, top: number) {
  return stops.map(([room, does], i) => {
    if (!rooms.includes(room)) throw new Error(`${room} is no room of scripts/rooms.ts`)
    const at: Box = { x, y: top + i * (height + gap), width: wide, height }
    return { at, drawn: box(at, room, does) }
  })
}

function joined(boxes: readonly { at: Box }[]): string[] {
  return boxes.slice(1).map(({ at }, i) => arrow(boxes[i]?.at ?? at, at))
}

/** docs/pictures/call.svg */
export function callPicture(): string {
  const names = interceptorNames()
  const step = height + gap
  const first = column(sharedBefore, middle, 44)
  const forkTop = 44 + first.length * step
  const rest = column(restStops, left, forkTop)
  const rpc = column(rpcStops, right, forkTop)
  const callTop = forkTop + rest.length * step
  const call = column([['src/call', 'one call, in any protocol']], middle, callTop)
  const chain = { x: left, y: callTop + step, width: sheet - 2 * left, height: height + 6 }
  const after = column(sharedAfter, middle, chain.y + chain.height + gap)
  const storeTop = chain.y + chain.height + gap + after.length * step
  const [mysql, sqlite] = [
    column(stores.slice(0, 1), left, storeTop),
    column(stores.slice(1), right, storeTop),
  ]
  const boxes = [first, rest, rpc, call, after, mysql, sqlite]
  const at = (part: readonly { at: Box }[], i: number) => part.at(i)?.at ?? chain
  const arrows = [
    ...boxes.flatMap(joined),
    arrow(at(first, -1), at(rest, 0)),
    arrow(at(first, -1), at(rpc, 0)),
    arrow(at(rest, -1), at(call, 0)),
    arrow(at(rpc, -1), at(call, 0)),
    arrow(at(call, 0), chain),
    arrow(chain, at(after, 0)),
    arrow(at(after, -1), at(mysql, 0)),
    arrow(at(after, -1), at(sqlite, 0)),
  ]
  return picture(sheet, storeTop + height + 16, 'The way of a call through the rooms of src', [
    label(left, 24, ':8000 REST · :9000 Connect, gRPC, gRPC-Web: both ports begin alike'),
    ...arrows,
    ...boxes.flat().map(({ drawn }) => drawn),
    box(chain, 'src/server/interceptor', names.join(' → ')),
  ])
}
