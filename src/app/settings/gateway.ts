import { readFileSync } from 'node:fs'
import type { Conf } from '../../conf/conf.ts'
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts'
import { ServerReflection as ServerReflectionV1Alpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts'
import { Health } from '../../gen/health/v1/health_pb.ts'
import { Metadata } from '../../gen/kratos/api/metadata_pb.ts'
import { enabledServices } from '../services.ts'
import { type Report, whyUnreadable } from './file.ts'
import { checkPeer } from './peer.ts'

const own = [Health, ServerReflection, ServerReflectionV1Alpha, Metadata]

/** Checks the services of other processes, but for what only these can tell. */
export function checkGateway(conf: Conf, report: Report): void {
  const here = new Set([...own, ...enabledServices(conf.services)].map(({ typeName }) => typeName))
  for (const [name, remote] of Object.entries(conf.gateway.services)) {
    const setting = `gateway.services[${JSON.stringify(name)}]`
    if (!/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/.test(name))
      report(setting, 'is no full name of a service, such as api.user.v1.User')
    if (here.has(name))
      report(setting, 'is served by this process itself, see services; must be another one')
    checkPeer(setting, remote, conf.registry.kind, report)
    checkDescriptor(setting, remote, report)
  }
}

function checkDescriptor(
  setting: string,
  { protocol, descriptorFile: file }: Conf['gateway']['services'][string],
  report: Report,
): void {
  const what = 'must be a file that buf build -o has written'
  if (file === '' && protocol.startsWith('kratos'))
    report(
      `${setting}.descriptor_file`,
      `found nothing, and ${protocol} has no reflection; ${what}`,
    )
  if (file === '') return
  try {
    readFileSync(file)
  } catch (err) {
    const found = JSON.stringify(file)
    report(`${setting}.descriptor_file`, `found ${found}, ${whyUnreadable(err)}; ${what}`)
  }
}
