import { EventEmitter } from 'node:events'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../help/app.ts'

type Once = (event: string | symbol, listener: (...args: unknown[]) => void) => EventEmitter

/** Listeners that this service adds by `once` while `work` runs, by the class of their emitter and the event. */
async function addedByOnce(work: () => Promise<unknown>): Promise<string[]> {
  const once = Reflect.get(EventEmitter.prototype, 'once') as Once
  const added: string[] = []
  EventEmitter.prototype.once = function spied(event: string | symbol, listener) {
    const [caller = ''] = (new Error('caller').stack ?? '').split('\n').slice(2)
    if (caller.includes('/src/')) added.push(`${this.constructor.name} ${String(event)}`)
    return once.call(this, event, listener)
  }
  try {
    await work()
  } finally {
    EventEmitter.prototype.once = once
  }
  return added.toSorted()
}

// Node's `once` makes four objects for a listener, which each collection of young objects copies for each
// call that waits (ADR 36). Over HTTP/2 two are left: node keeps a stream for long, and what has been
// called must not keep its call with it.
test('what a call listens to happens once, and is not listened to by once', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const create = (name: string) =>
    fetch(`${app.rest.url}/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, email: `${name}@example.org` }),
    })
  const users = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  await create('first')
  await users.getUser({ id: 1n })
  t.same(await addedByOnce(() => create('second')), [])
  t.same(await addedByOnce(() => users.getUser({ id: 1n })), [
    'ServerHttp2Stream close',
    'ServerHttp2Stream end',
  ])
})
