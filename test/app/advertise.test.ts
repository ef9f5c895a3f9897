import { test } from 'tap'
import { advertisedAddress, advertisedHost } from '../../src/app/fleet/advertise.ts'

const one = ['10.0.0.7']
const several = ['10.0.0.7', '172.17.0.1']

/** registry.advertise, registry.pod_ip, the address of the port, those of the machine, and the host. */
const cases: [string, string, string, string[], string | undefined][] = [
  ['users.example.org', '10.1.0.1', '127.0.0.1:9000', several, 'users.example.org'],
  ['', '10.1.0.1', '127.0.0.1:9000', several, '10.1.0.1'],
  ['', '', '192.168.0.5:9000', several, '192.168.0.5'],
  ['', '', '[fd00::5]:9000', several, 'fd00::5'],
  ['', '', '0.0.0.0:9000', one, '10.0.0.7'],
  ['', '', '[::]:9000', one, '10.0.0.7'],
  ['', '', '0.0.0.0:9000', several, undefined],
  ['', '', '0.0.0.0:9000', [], undefined],
]

test('the host is the one of the settings, the pod, the port, or the only one; never a guess', async (t) => {
  for (const [advertise, podIp, addr, addresses, expected] of cases)
    t.equal(
      advertisedHost({ advertise, podIp }, addr, addresses),
      expected,
      [advertise, podIp, addr, addresses].join(' | '),
    )
})

test('an address of IPv6 is announced in brackets', async (t) => {
  t.equal(advertisedAddress('fd00::5', 9000), '[fd00::5]:9000')
  t.equal(advertisedAddress('[fd00::5]', 9000), '[fd00::5]:9000')
  t.equal(advertisedAddress('users.example.org', 9000), 'users.example.org:9000')
})
