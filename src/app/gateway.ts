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
import { namesCredentials, ownCredentials } from './client/credentials.ts'
import { tlsOf } from './client/tls.ts'
import { furtherProtocols } from './client/settings.ts'
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
  const transportTo = transports({ clients, log })
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
      const knowsCallers = !namesCredentials(remote.credentials)
      const way = { transport, timeoutMs, statuses, knowsCallers }
      return { service: serviceIn(registry, name), remote: way }
    } catch (cause) {
      throw nowhere(name, remote, cause)
    }
  }
}

/** One channel for all services at a target that are called in the same way. */
function transports({ clients, log }: Pick<Parts, 'clients' | 'log'>) {
  const open = new Map<string, Transport>()
  return async function transportTo(remote: RemoteConf): Promise<Transport> {
    const { target, tls, tlsServerName, credentials } = remote
    const protocol = (remote.protocol || 'grpc') as ClientProtocol
    const protocols = await furtherProtocols(protocol)
    const key = JSON.stringify([protocol, target, tls, tlsServerName, credentials])
    // Nothing is awaited from here on, so that two services at once get the same channel.
    const old = open.get(key)
    if (old) return old
    const proof = { tls: tlsOf(remote), credentials: ownCredentials(credentials, log) }
    const transport = clients.transport(target, { protocol, protocols, ...proof })
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
