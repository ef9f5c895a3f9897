import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { Code, ConnectError, type UnaryRequest } from '@connectrpc/connect'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { deadline } from '../../../src/server/interceptor/deadline.ts'

const limits = { defaultMs: 1000, byOperation: new Map<string, number>() }

function request(signal: AbortSignal): UnaryRequest {
  return {
    stream: false,
    service: User,
    method: User.method.getUser,
    signal,
  } as unknown as UnaryRequest
}

test('a call whose client has gone before it begins is not carried out, and harms nobody', async (t) => {
  let begun = 0
  const unhandled: unknown[] = []
  const note = (err: unknown) => void unhandled.push(err)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const call = deadline(limits)(async () => {
    begun += 1
    throw new Error('begun')
  })
  const err = await t.rejects(call(request(AbortSignal.abort(new Error('gone')))))
  t.equal((err as unknown as ConnectError).code, Code.Canceled)
  await turn()
  t.strictSame({ begun, unhandled }, { begun: 0, unhandled: [] })
})

test('a call that takes longer than its limit ends then, and its signal tells the reason', async (t) => {
  let reason: unknown
  const call = deadline({ ...limits, defaultMs: 10 })(async (req) => {
    const { promise, reject } = Promise.withResolvers<never>()
    req.signal.addEventListener('abort', () => reject((reason = req.signal.reason)))
    return promise
  })
  const err = await t.rejects(call(request(new AbortController().signal)))
  t.equal((err as unknown as ConnectError).code, Code.DeadlineExceeded)
  t.equal(reason, err)
})

test('an interceptor that throws fails its call, and nothing later', async (t) => {
  const unhandled: unknown[] = []
  const note = (err: unknown) => void unhandled.push(err)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const failure = new Error('thrown')
  const call = deadline({ ...limits, defaultMs: 10 })(() => {
    throw failure
  })
  t.equal(await t.rejects(call(request(new AbortController().signal))), failure)
  await sleep(50)
  t.strictSame(unhandled, [])
})
