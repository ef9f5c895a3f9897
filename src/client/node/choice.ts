import type { Random } from '../clock.ts'
import { loadOf, type Node, streamLoadOf } from './node.ts'

/** A node that was not chosen for so long is chosen once, or its figures would stay as they are. */
const forcePickMs = 3000

/** One of the nodes at random that is not `not`, if there is another. */
export function oneOf(from: readonly Node[], not: Node | undefined, random: Random) {
  const chosen = from[Math.floor(random() * from.length)]
  if (chosen !== not || from.length < 2) return chosen
  // With two of them it is the other one; with more, another draw is soon a hit.
  if (from.length === 2) return otherOf(from, chosen)
  return oneOf(from, not, random)
}

function otherOf(pair: readonly Node[], node: Node | undefined): Node | undefined {
  return pair[0] === node ? pair[1] : pair[0]
}

/** What a node is chosen for. */
interface Purpose {
  now: number
  forStream: boolean
}

/** The better of two nodes drawn at random ("power of two choices"), `not` left out if possible. */
export function betterOfTwo(
  from: readonly Node[],
  not: Node | undefined,
  purpose: Purpose,
  random: Random,
): Node | undefined {
  const first = oneOf(from, not, random)
  if (first === undefined || from.length < 2) return first
  const second = from.length === 2 ? otherOf(from, first) : oneOf(from, first, random)
  return second === undefined || second === not ? first : better(first, second, purpose)
}

function better(a: Node, b: Node, { now, forStream }: Purpose): Node {
  const more = forStream ? streamLoadOf(a) - streamLoadOf(b) : 0
  const isSecond = more === 0 ? loadOf(b, now) < loadOf(a, now) : more > 0
  const [chosen, other] = isSecond ? [b, a] : [a, b]
  // One that has more streams than the other is known well enough.
  if (forStream && other.streams > chosen.streams) return chosen
  return now - other.pickedAt > forcePickMs ? other : chosen
}
