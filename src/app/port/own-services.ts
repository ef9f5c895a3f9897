import type { DescService } from '@bufbuild/protobuf'
import type { ConnectRouter } from '@connectrpc/connect'
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts'
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts'
import { ServerReflection as ServerReflectionV1Alpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts'
import { Health } from '../../gen/health/v1/health_pb.ts'
import { Metadata } from '../../gen/kratos/api/metadata_pb.ts'
import { healthService } from '../../server/health/health.ts'
import type { Readiness } from '../../server/health/readiness.ts'
import { descriptors } from '../../server/reflection/descriptors.ts'
import { kratosMetadataService } from '../../server/reflection/kratos-metadata.ts'
import { reflectionService } from '../../server/reflection/reflection.ts'

interface OwnServices {
  /** The services of the modules. */
  services: readonly DescService[]
  ready: Readiness
  /** Whether clients may ask for the descriptors. */
  reflection: boolean
  /** Ends the Watch streams of the health service. */
  closing: AbortSignal
}

/** The services of the process itself on the RPC port: health and, if enabled, reflection. */
export function ownServices({ services, ready, reflection, closing }: OwnServices) {
  const names = services.map(({ typeName }) => typeName)
  return function routes(router: ConnectRouter): void {
    router.service(Health, healthService(ready, names, closing))
    if (reflection) reflect(router, services)
  }
}

function reflect(router: ConnectRouter, services: readonly DescService[]): void {
  const all = [...services, Health, ServerReflection, ServerReflectionV1Alpha, Metadata]
  // With the messages of error details, so that grpcurl can print them.
  const known = descriptors(all, [file_google_rpc_error_details])
  const reflection = reflectionService(known)
  router.service(ServerReflection, reflection)
  // The messages of v1alpha have the shape of those of v1.
  router.service(ServerReflectionV1Alpha, reflection as never)
  router.service(Metadata, kratosMetadataService(known))
}
