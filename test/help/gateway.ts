import type { Test } from 'tap'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { GatewayServiceSchema } from '../../src/gen/conf/v1/gateway_pb.ts'
import type { Conf } from '../../src/conf/conf.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { startApp, type StartOptions } from './app.ts'

export interface Passing extends Omit<StartOptions, 'storage' | 'configure'> {
  target: string
  protocol?: string
  timeoutMs?: number
  descriptorFile?: string
  startTimeoutMs?: number
  service?: string
  /** How the gateway proves itself to the target. */
  proof?: MessageInitShape<typeof GatewayServiceSchema>
  timeouts?: Conf['server']['operationTimeouts']
}

/** A process that has no service of its own and passes the calls of one on. */
export function startGateway(t: Test, options: Passing) {
  const {
    target,
    protocol,
    timeoutMs,
    descriptorFile,
    startTimeoutMs,
    service,
    proof,
    timeouts,
    ...others
  } = options
  const env = { USER_ENABLED: 'false', ORDER_ENABLED: 'false', ...options.env }
  return startApp(t, {
    ...others,
    env,
    isGateway: true,
    storage: 'sqlite',
    configure({ gateway, server }) {
      Object.assign(server.operationTimeouts, timeouts)
      gateway.services[service ?? User.typeName] = create(GatewayServiceSchema, {
        ...proof,
        target,
        protocol: protocol ?? '',
        descriptorFile: descriptorFile ?? '',
        ...(timeoutMs !== undefined && { timeout: durationFromMs(timeoutMs) }),
      })
      if (startTimeoutMs !== undefined) gateway.startTimeout = durationFromMs(startTimeoutMs)
    },
  })
}
