import { test } from 'tap'
import { boundTimeout } from '../../../src/server/rpc/long-timeout.ts'

test('a timeout is shortened only where no timer could wait for it', (t) => {
  const cases = [
    ['grpc-timeout', '99999999H', '2147483S'],
    ['grpc-timeout', '35792M', '2147483S'],
    ['grpc-timeout', '35791M', '35791M'],
    ['grpc-timeout', '500m', '500m'],
    ['grpc-timeout', 'soon', 'soon'],
    ['connect-timeout-ms', '9999999999', '2147483647'],
    ['connect-timeout-ms', '2147483647', '2147483647'],
  ] as const
  for (const [name, sent, want] of cases) {
    const header = new Headers({ [name]: sent })
    boundTimeout(header)
    t.equal(header.get(name), want, sent)
  }
  t.end()
})
