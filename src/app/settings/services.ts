import type { Conf } from '../../conf/conf.ts'
import { targetProblem } from '../../client/target/target.ts'
import type { Refuse } from './file.ts'

/** Checks that the process has a service, and that each of them finds those that it calls. */
export function checkServices(
  { services, clients, registry, gateway }: Conf,
  refuse: Refuse,
): void {
  const { user, order } = services
  const { target } = clients.user
  const isGateway = Object.keys(gateway.services).length > 0
  if (!user.enabled && !order.enabled && !isGateway)
    refuse(
      'services',
      'found none that is enabled, and none in gateway.services; at least one must be: user, order',
    )
  if (order.enabled && !user.enabled && target === '')
    refuse(
      'clients.user.target',
      'found nothing, and users are not in this process; must be where they are, such as discovery:///user.service',
    )
  const problem = target === '' ? undefined : targetProblem(target)
  if (problem !== undefined) refuse('clients.user.target', problem)
  if (target.startsWith('discovery:') && registry.kind === 'off')
    refuse(
      'clients.user.target',
      `found ${JSON.stringify(target)}, which needs a registry: registry.kind must not be off`,
    )
}
