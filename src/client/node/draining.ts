import { isBusy, type Node } from './node.ts'

/** Closes nodes that get no further calls, each once its open ones have ended or after `drainMs`. */
export function draining(drainMs: number) {
  const leaving = new Map<Node, Promise<void>>()

  function drain(node: Node): void {
    if (!isBusy(node)) return node.close()
    const { promise, resolve } = Promise.withResolvers<void>()
    leaving.set(node, promise)
    function close(): void {
      clearTimeout(timer)
      node.idle = undefined
      leaving.delete(node)
      node.close()
      resolve()
    }
    const timer = setTimeout(close, drainMs)
    node.idle = close
  }

  return {
    drain,
    /** How many nodes still have calls. */
    count: () => leaving.size,
    /** Resolves when those that are leaving are closed. */
    ended: () => Promise.all(leaving.values()),
  }
}
