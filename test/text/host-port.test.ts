import { test } from 'tap'
import { hostPort } from '../../src/text/host-port.ts'

test('host and port are split, whatever the form of the host', (t) => {
  t.strictSame(hostPort('127.0.0.1:8000'), { host: '127.0.0.1', port: 8000 })
  t.strictSame(hostPort('[::1]:8000'), { host: '::1', port: 8000 })
  t.strictSame(hostPort(':8000'), { host: '', port: 8000 })
  t.strictSame(hostPort('example.org'), { host: 'example.org', port: undefined })
  t.strictSame(hostPort('[::1]'), { host: '::1', port: undefined })
  t.strictSame(hostPort(''), { host: '', port: undefined })
  t.end()
})
