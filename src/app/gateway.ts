import { readFileSync } from 'node:fs'
import { type DescService, type FileRegistry, fromBinary } from '@bufbuild/protobuf'
import { durationMs, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import type { Transport } from '@connectrpc/connect'
import { operationOf } from '../call/methods.ts'
import type { ClientProtocol } from '../client/settings.ts'
import { SettingError } from '../conf/error.ts'
import { registryOf, serviceIn } from '../gateway/descriptors.ts'
import { statusOfReasons } from '../gateway/errors.ts'
import { forward, type Remote } from '../gateway/forward.ts'
import { reflectedFiles } from '../gateway/reflected.ts'
import { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import type { Conf } from '../conf/conf.ts'
import { furtherProtocols } from './client-settings.ts'
import type { Module, Parts } from './module.ts'

type RemoteConf = Conf['gateway']['services'][string]

/** A service of another process, with the way to it. */
interface Passed {
  service: DescService
  remote: Remote
}

/**
 * The module of the services of other processes: passes their calls on. Throws a SettingError where the
 * descriptor of one cannot be had.
 */
export async function gatewayModule({ conf, clients, log }: Parts): Promise<Module> {
  const { services, startTimeout } = conf.gateway
  const transportTo = transports(clients)
  const withinMs = durationMs(startTimeout)
  const passed = await Promise.all(
    Object.entries(services).map(([name, remote]) => found(name, remote)),
  )
  checkTimeouts(Object.keys(conf.server.operationTimeouts), passed)
  log.info({ services: Object.keys(services) }, 'services of other processes are served')
  return {
    services: passed.map(({ service }) => service),
    reasons: ErrorReason,
    isRemote: true,
    routes: (router) => passed.forEach(({ service, remote }) => forward(router, service, remote)),
  }

  async function found(name: string, remote: RemoteConf): Promise<Passed> {
    const transport = await transportTo(remote)
    try {
      const registry = await described(name, remote, { transport, withinMs })
      const timeoutMs = remote.timeout && durationMs(remote.timeout)
      const statuses = statusOfReasons(registry)
      return { service: serviceIn(registry, name), remote: { transport, timeoutMs, statuses } }
    } catch (cause) {
      throw nowhere(name, remote, cause)
    }
  }
}

/** One channel for all services at a target. */
function transports(clients: Parts['clients']): (remote: RemoteConf) => Promise<Transport> {
  const open = new Map<string, Transport>()
  return async function transportTo({ target, protocol: given }) {
    const protocol = (given || 'grpc') as ClientProtocol
    const protocols = await furtherProtocols(protocol)
    const key = `${protocol} ${target}`
    // Nothing is awaited from here on, so that two services at once get the same channel.
    const transport = open.get(key) ?? clients.transport(target, { protocol, protocols })
    open.set(key, transport)
    return transport
  }
}

interface Asking {
  transport: Transport
  withinMs: number
}

/** The types of a service: from its file, else from the process that has it. */
async function described(
  name: string,
  { descriptorFile }: RemoteConf,
  { transport, withinMs }: Asking,
): Promise<FileRegistry> {
  return registryOf(
    descriptorFile === ''
      ? await reflectedFiles([name], transport, withinMs)
      : fromBinary(FileDescriptorSetSchema, readFileSync(descriptorFile)).file,
  )
}

function nowhere(name: string, { target, descriptorFile }: RemoteConf, cause: unknown) {
  const [setting, source] =
    descriptorFile === '' ? ['target', target] : ['descriptor_file', descriptorFile]
  // The message says it all: that of a cause would be repeated.
  const problem = `${source} ${cause instanceof Error ? cause.message : String(cause)}`
  return new SettingError(`gateway.services[${JSON.stringify(name)}].${setting}`, problem)
}

/** Throws for a timeout of a method that a service of another process does not have. */
function checkTimeouts(operations: readonly string[], passed: readonly Passed[]): void {
  for (const operation of operations)
    for (const { service } of passed) {
      if (!operation.startsWith(`/${service.typeName}/`)) continue
      const methods = service.methods.filter(({ methodKind }) => methodKind === 'unary')
      if (methods.some((method) => operationOf(method) === operation)) continue
      throw new SettingError(
        `server.operation_timeouts[${JSON.stringify(operation)}]`,
        `there is no such operation. Allowed: ${methods.map(operationOf).join(', ')}`,
      )
    }
}
