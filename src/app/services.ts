import type { DescService } from '@bufbuild/protobuf'
import type { Conf } from '../conf/conf.ts'
import { orderServices } from './order-services.ts'
import { userServices } from './user-services.ts'

/** The RPC services of this program, by the settings that enable them. */
const byName = {
  user: userServices,
  order: orderServices,
}

/** All of them, whether they are enabled or not. */
export const services: readonly DescService[] = Object.values<readonly DescService[]>(byName).flat()

/** Those that the settings enable. */
export function enabledServices(enabled: Conf['services']): DescService[] {
  return Object.entries<readonly DescService[]>(byName).flatMap(([name, all]) =>
    enabled[name as keyof typeof byName].enabled ? all : [],
  )
}
