// The RPC services of proto/api, as a package of clients names them.
import { globSync } from 'node:fs'
import { join } from 'node:path'
import type { DescService } from '@bufbuild/protobuf'
import { project } from '../tool.ts'

/** A service with its module in the package. */
export interface PackedService {
  /** `user`: what its client is called. */
  name: string
  /** `User`: what is exported. */
  exported: string
  /** `./api/user/v1/user_pb.js` */
  module: string
  desc: DescService
}

function isService(value: unknown): value is DescService {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'service'
}

/** The services of all modules that `npm run gen` makes of proto/api. */
export async function packedServices(): Promise<PackedService[]> {
  const files = globSync('src/gen/api/*/*/*_pb.ts', { cwd: project }).toSorted()
  const found = await Promise.all(
    files.map(async (file) => {
      const exported = (await import(join(project, file))) as Record<string, unknown>
      return Object.values(exported).filter(isService)
    }),
  )
  return found.flat().map((desc) => ({
    name: desc.name.slice(0, 1).toLowerCase() + desc.name.slice(1),
    exported: desc.name,
    module: `./${desc.file.name}_pb.js`,
    desc,
  }))
}
