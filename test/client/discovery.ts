import type { Discovery, Instance } from '../../src/fleet/registry.ts'

/** A registry whose list the test changes. */
export function listed(addresses: readonly string[], scheme = 'grpc') {
  const told = new Set<(instances: readonly Instance[]) => void>()
  const instance = (address: string): Instance => ({
    id: address,
    name: 'user.service',
    version: 'v1',
    metadata: {},
    endpoints: [`${scheme}://${address}`],
  })
  let list = addresses.map(instance)
  const discovery: Discovery = {
    watch(_name, signal, tell) {
      told.add(tell)
      signal.addEventListener('abort', () => told.delete(tell), { once: true })
      if (list.length > 0) tell(list)
    },
    close: () => Promise.resolve(),
  }
  return {
    discovery,
    /** How many clients watch it. */
    watchers: () => told.size,
    update: (next: readonly string[]): void => {
      list = next.map(instance)
      for (const tell of told) tell(list)
    },
  }
}
