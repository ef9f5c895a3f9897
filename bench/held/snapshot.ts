import { readFileSync } from 'node:fs'

/** The parts of a heap snapshot of V8 that are read here. */
interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[]] } }
  nodes: number[]
  strings: string[]
}

/** How many objects of one kind there are, and their bytes. */
interface Amount {
  count: number
  bytes: number
}

/** What V8 makes of code that has run, at moments of its own. */
const ofCode = /^(?:code|hidden|object shape|synthetic)/

/** The objects of a snapshot by their type and name. */
export function objectsOf(file: string): Map<string, Amount> {
  const { snapshot, nodes, strings } = JSON.parse(readFileSync(file, 'utf8')) as Snapshot
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field))
  const amounts = new Map<string, Amount>()
  for (let at = 0; at < nodes.length; at += fields.length) {
    const valueOf = (field = 0) => nodes[at + field] ?? 0
    const kind = types[0][valueOf(type)] ?? ''
    if (ofCode.test(kind)) continue
    const title = kind.includes('string')
      ? 'string'
      : `${kind} ${strings[valueOf(name)]?.slice(0, 60)}`
    const amount = amounts.get(title) ?? { count: 0, bytes: 0 }
    amounts.set(title, amount)
    amount.count += 1
    amount.bytes += valueOf(size)
  }
  return amounts
}

/** What there is more in `after`, the most bytes first. */
export function more(
  before: ReadonlyMap<string, Amount>,
  after: ReadonlyMap<string, Amount>,
): (Amount & { title: string })[] {
  return Array.from(after, ([title, { count, bytes }]) => {
    const known = before.get(title) ?? { count: 0, bytes: 0 }
    return { title, count: count - known.count, bytes: bytes - known.bytes }
  }).toSorted((a, b) => b.bytes - a.bytes)
}
