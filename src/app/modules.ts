import type { Module, Parts } from './module.ts'

/**
 * Makes the modules of the services that the settings enable, each a line here. One that is off is not
 * loaded. They are told one by one, since those before one may be called by it.
 */
export async function openModules(parts: Parts, made: (module: Module) => void): Promise<void> {
  const { user, order } = parts.conf.services
  const { services: remote } = parts.conf.gateway
  if (user.enabled) made((await import('./user.ts')).userModule(parts))
  if (order.enabled) made(await (await import('./order.ts')).orderModule(parts))
  if (Object.keys(remote).length > 0)
    made(await (await import('./gateway.ts')).gatewayModule(parts))
}
