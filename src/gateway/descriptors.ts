import { create, createFileRegistry, type DescService, type FileRegistry } from '@bufbuild/protobuf'
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'

/**
 * The types that files of protos declare. Throws an error for people where an import is missing or a file
 * cannot be used.
 */
export function registryOf(files: readonly FileDescriptorProto[]): FileRegistry {
  return createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(files) }))
}

/** The service of this full name. Throws an error that names those that are there. */
export function serviceIn(registry: FileRegistry, name: string): DescService {
  const service = registry.getService(name)
  if (service) return service
  const others = [...registry].flatMap((type) => (type.kind === 'service' ? [type.typeName] : []))
  throw new Error(`has ${others.toSorted().join(', ') || 'no service'} and not ${name}`)
}

/** The files that are imported and not there. */
export function missingImports(files: readonly FileDescriptorProto[]): string[] {
  const known = new Set(files.map(({ name }) => name))
  const imported = new Set(files.flatMap(({ dependency }) => dependency))
  return [...imported].filter((name) => !known.has(name))
}

/** Each file once, after those that it imports. */
function importsFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const [missing] = missingImports(files)
  if (missing !== undefined) throw new Error(`lacks the import ${missing}`)
  const byName = new Map(files.map((file) => [file.name, file]))
  const ordered = new Set<FileDescriptorProto>()
  const begun = new Set<string>()
  function add(name: string): void {
    const file = byName.get(name)
    if (file === undefined || begun.has(name)) return
    begun.add(name)
    file.dependency.forEach(add)
    ordered.add(file)
  }
  for (const { name } of files) add(name)
  return [...ordered]
}
