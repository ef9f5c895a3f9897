import type { Conf } from '../../conf/conf.ts'
import { ServicesSchema } from '../../gen/conf/v1/services_pb.ts'
import type { Report } from './file.ts'

type ServiceName = Exclude<keyof Conf['services'], `$${string}`>

/** Checks that the process has a service, and that each of them finds those that it calls. */
export function checkServices({ services, clients, gateway }: Conf, report: Report): void {
  const { user, order } = services
  const known = ServicesSchema.fields
  const isServed = known.some(({ localName }) => services[localName as ServiceName].enabled)
  if (!isServed && Object.keys(gateway.services).length === 0)
    report(
      'services',
      `found none that is enabled, and none in gateway.services; at least one must be: ${known.map(({ name }) => name).join(', ')}`,
    )
  if (order.enabled && !user.enabled && clients.user.target === '')
    report(
      'clients.user.target',
      'found nothing, and users are not in this process; must be where they are, such as discovery:///user.service',
    )
}
