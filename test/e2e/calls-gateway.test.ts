import { test } from 'tap'
import { startGateway } from '../help/gateway.ts'
import { runCalls } from './calls.ts'

test('every call through a gateway has the outcome that it has without', (t) =>
  runCalls(t, {
    storage: 'sqlite',
    through: ({ rpc }) => startGateway(t, { target: `direct:///127.0.0.1:${rpc.port}` }),
  }))
