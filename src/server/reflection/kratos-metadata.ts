import { Code, type ServiceImpl } from '@connectrpc/connect'
import { refusal } from '../../call/refusal.ts'
import type { Metadata } from '../../gen/kratos/api/metadata_pb.ts'
import type { Descriptors } from './descriptors.ts'

/** Serves kratos.api.Metadata, which every Kratos v2 server has and Kratos v3 servers lack. */
export function kratosMetadataService(known: Descriptors): ServiceImpl<typeof Metadata> {
  return {
    listServices() {
      const methods = known.services.flatMap(({ typeName, methods }) =>
        methods.map(({ name }) => `/${typeName}/${name}`),
      )
      return {
        services: known.services.map(({ typeName }) => typeName).sort(),
        methods: methods.sort(),
      }
    },
    getServiceDesc({ name }) {
      const service = known.services.find(({ typeName }) => typeName === name)
      if (!service) throw refusal(Code.NotFound, 'SERVICE_NOT_FOUND', `there is no service ${name}`)
      return { fileDescSet: { file: known.withImports(service.file).map(({ proto }) => proto) } }
    },
  }
}
