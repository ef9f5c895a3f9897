import type { Conf } from '../../conf/conf.ts'
import { Health } from '../../gen/health/v1/health_pb.ts'
import { Metadata } from '../../gen/kratos/api/metadata_pb.ts'
import { parseHeaderNames, parseOrigins } from '../../server/origin/cors.ts'
import { hostPort } from '../../text/host-port.ts'
import { services } from '../services.ts'
import { certificate, checkPair, type Report } from './file.ts'
import { noOperation } from './operations.ts'

/** Their operations may have a timeout of their own. */
const timed = [...services, Health, Metadata]

/** Checks addresses, certificates, timeouts of operations and origins. */
export function checkServer(conf: Conf, report: Report): void {
  const { tls, cors, operationTimeouts } = conf.server
  checkAddresses(conf, report)
  const remote = Object.keys(conf.gateway.services)
  // What the services of other processes have is known when these are asked.
  const known = Object.keys(operationTimeouts).filter(
    (operation) => !remote.some((name) => operation.startsWith(`/${name}/`)),
  )
  checkOperations(known, report)
  checkPair('server.tls', tls, report)
  certificate('server.tls.client_ca_file', tls.clientCaFile, report)
  if (tls.clientCaFile !== '' && tls.certFile === '' && tls.keyFile === '')
    report(
      'server.tls.client_ca_file',
      'needs cert_file and key_file: without them there is no TLS',
    )
  checkCors(cors, report)
}

function checkCors(
  { origins, allowHeaders, exposeHeaders }: Conf['server']['cors'],
  report: Report,
): void {
  function check(setting: string, parse: () => unknown, allowed: string): void {
    try {
      parse()
    } catch (err) {
      const reason = (err as Error).message.replace(/^[a-z._]*: /, '')
      report(setting, `${reason}; must be ${allowed}`)
    }
  }
  const names = 'names of headers, separated by commas'
  check('server.cors.origins', () => parseOrigins(origins), 'such as https://app.example.org, or *')
  check('server.cors.allow_headers', () => parseHeaderNames(allowHeaders, ''), names)
  check('server.cors.expose_headers', () => parseHeaderNames(exposeHeaders, ''), names)
}

/** Two ports cannot have one address. A port of 0 is another each time. */
function checkAddresses({ server, metrics }: Conf, report: Report): void {
  const addresses = [
    ['server.http.addr', server.http.addr],
    ['server.grpc.addr', server.grpc.addr],
    ['metrics.addr', metrics.addr],
  ] as const
  const taken = new Map<string, string>()
  for (const [setting, addr] of addresses) {
    const other = taken.get(addr)
    if (other !== undefined) report(setting, `found ${JSON.stringify(addr)}, which ${other} has`)
    if (addr !== '' && hostPort(addr).port !== 0) taken.set(addr, other ?? setting)
  }
}

function checkOperations(named: readonly string[], report: Report): void {
  const operations = timed.flatMap(({ typeName, methods }) =>
    methods
      .filter(({ methodKind }) => methodKind === 'unary')
      .map(({ name }) => `/${typeName}/${name}`),
  )
  for (const operation of named) {
    if (operations.includes(operation)) continue
    report(
      `server.operation_timeouts[${JSON.stringify(operation)}]`,
      noOperation(operation, operations),
    )
  }
}
