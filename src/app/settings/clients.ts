import type { Conf } from '../../conf/conf.ts'
import { namesCredentials } from '../client/credentials.ts'
import type { Report } from './file.ts'
import { checkPeer } from './peer.ts'

/** Checks where the services are that this process calls, and how it proves itself to them. */
export function checkClients({ clients, services, registry }: Conf, report: Report): void {
  const { user } = clients
  // Nobody asks for users there: one file can be that of processes with orders and of those without.
  if (user.target === '' && !services.order.enabled) return
  checkPeer('clients.user', user, registry.kind, report)
  if (user.forwardCredentials && namesCredentials(user.credentials))
    report(
      'clients.user.forward_credentials',
      'found true, and clients.user.credentials names a file; must be one of them',
    )
}
