import { betterOfTwo, oneOf } from './choice.ts'
import type { Clock, Random } from '../clock.ts'
import { draining } from './draining.ts'
import { markDown, newNode, type Node, type OpenNode } from './node.ts'
import type { Address } from '../target/address.ts'

/** What a balancer is made of. */
export interface BalancerOptions {
  open: OpenNode
  /** `p2c`: the better of two random nodes. */
  choose: 'p2c' | 'random'
  /** The maximum time that a node which has left the list has for its open calls. */
  drainMs: number
  now: Clock
  random: Random
}

/** Chooses a node for each try; made by `balancer`. */
export type Balancer = ReturnType<typeof balancer>

/** Keeps the nodes of a target. What is known of a node is kept when the list changes. */
export function balancer({ open, choose, drainMs, now, random }: BalancerOptions) {
  const nodes = new Map<string, Node>()
  const { drain, count: leaving, ended } = draining(drainMs)
  /** All nodes, those that are up, and when one of the others comes up. */
  let all: Node[] = []
  let up: Node[] = []
  let nextUpAt = Number.POSITIVE_INFINITY

  function sort(at: number): void {
    up = all.filter(({ downUntil }) => downUntil <= at)
    nextUpAt = Math.min(...all.map(({ downUntil }) => (downUntil > at ? downUntil : Infinity)))
  }

  return {
    /** Replaces the list. Nodes that have left it get no call, and close when theirs have ended. */
    update(addresses: readonly Address[]): void {
      const at = now()
      const names = new Set(addresses.map(({ name }) => name))
      for (const address of addresses)
        if (!nodes.has(address.name)) nodes.set(address.name, newNode(address, open(address), at))
      for (const [name, node] of nodes) {
        if (names.has(name)) continue
        nodes.delete(name)
        drain(node)
      }
      all = Array.from(nodes.values())
      sort(at)
    },
    /** A node for a try, if possible not `not`. Where all are down, all are tried. */
    pick(not: Node | undefined, forStream = false): Node | undefined {
      const at = now()
      if (at >= nextUpAt) sort(at)
      const from = up.length > 0 ? up : all
      const node =
        choose === 'p2c'
          ? betterOfTwo(from, not, { now: at, forStream }, random)
          : oneOf(from, not, random)
      if (node) node.pickedAt = at
      return node
    },
    /** To be called when a connection of the node was refused or has broken. */
    down(node: Node): void {
      markDown(node, now())
      sort(now())
    },
    /** Whether a node is left that is not down. */
    get hasUp() {
      return up.length > 0
    },
    /** The nodes of the list. */
    nodes: (): readonly Node[] => all,
    /** How many nodes have left and still have calls. */
    leaving,
    /** Takes no further call, and resolves when the open ones have ended, or after `drainMs`. */
    async close(): Promise<void> {
      for (const node of all) drain(node)
      nodes.clear()
      all = []
      sort(now())
      await ended()
    },
  }
}
