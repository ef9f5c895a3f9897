import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

/**
 * An address that leads to the server on a port, and from `lead` on, for new connections, to another:
 * as a virtual address, a name or a balancer does. Every byte is `delayMs` late in either direction.
 */
export async function relay(t: Test, port: number, delayMs = 0) {
  let target = port
  let accepted = 0
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    accepted += 1
    const upstream = net.connect(target, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      void pass(from, to, delayMs)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return {
    port: (server.address() as AddressInfo).port,
    lead(to: number): void {
      target = to
    },
    /** How many connections there have been. */
    accepted: () => accepted,
  }
}

/** Passes on what comes, in order; an end of either ends both. */
async function pass(from: net.Socket, to: net.Socket, delayMs: number): Promise<void> {
  let passed = Promise.resolve()
  from.on('error', () => undefined)
  from.on('data', (bytes) => {
    const due = delayMs > 0 ? sleep(delayMs) : undefined
    passed = passed.then(() => due).then(() => void (to.destroyed || to.write(bytes)))
  })
  from.on('close', () => to.destroy())
}
