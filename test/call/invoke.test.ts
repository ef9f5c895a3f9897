import { create } from '@bufbuild/protobuf'
import { createContextValues } from '@connectrpc/connect'
import { test } from 'tap'
import type { UnaryCall } from '../../src/call/context.ts'
import { unaryInvoker } from '../../src/call/invoke.ts'
import { GetUserRequestSchema, User } from '../../src/gen/api/user/v1/user_pb.ts'

test('an interceptor that throws, and does not reject, fails its call all the same', async (t) => {
  const failure = new Error('thrown')
  const spec = {
    kind: 'unary',
    service: User,
    method: User.method.getUser,
    impl: () => ({ id: 1n }),
  } as unknown as Parameters<typeof unaryInvoker>[0]
  const invoke = unaryInvoker(spec, [
    () => () => {
      throw failure
    },
  ])
  const call = { values: createContextValues() } as unknown as UnaryCall
  t.equal(await t.rejects(invoke(create(GetUserRequestSchema), call)), failure)
})
