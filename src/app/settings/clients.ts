import type { Conf } from '../../conf/conf.ts'
import { targetProblem } from '../../client/target/target.ts'
import { certificate, checkPair, namesFile, type Report } from './file.ts'

/** Checks where the services are that this process calls, and how it proves itself to them. */
export function checkClients({ clients, registry }: Conf, report: Report): void {
  const { target, tls, tlsServerName } = clients.user
  const found = target === '' ? 'nothing' : JSON.stringify(target)
  const problem = target === '' ? undefined : targetProblem(target)
  if (problem !== undefined) report('clients.user.target', problem)
  if (target.startsWith('discovery:') && registry.kind === 'off')
    report(
      'clients.user.target',
      `found ${found}, which needs a registry: registry.kind must not be off`,
    )
  certificate('clients.user.tls.ca_file', tls.caFile, report)
  checkPair('clients.user.tls', tls, report)
  if ((namesFile(tls) || tlsServerName !== '') && /^(?:$|http:)/.test(target))
    report(
      'clients.user.target',
      `found ${found}, but TLS is asked for by clients.user.tls; must be another process, and not by http://`,
    )
}
