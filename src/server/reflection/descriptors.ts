import { nestedTypes } from '@bufbuild/protobuf/reflect'
import type { DescExtension, DescFile, DescService } from '@bufbuild/protobuf'

/** An index over proto files, by file name, symbol and extended message. */
export type Descriptors = ReturnType<typeof descriptors>

/** Indexes the proto files of `services`, the files in `others`, and all files that they import. */
export function descriptors(services: readonly DescService[], others: readonly DescFile[] = []) {
  const files = withImports([...services.map(({ file }) => file), ...others])
  const bySymbol = new Map(files.flatMap((file) => symbolsOf(file).map((name) => [name, file])))
  const extensions = files.flatMap((file) =>
    [...nestedTypes(file)].filter((type) => type.kind === 'extension'),
  )
  return {
    services,
    file: (name: string): DescFile | undefined => files.find(({ proto }) => proto.name === name),
    fileOf: (symbol: string): DescFile | undefined => bySymbol.get(symbol),
    extensionsOf: (message: string): DescExtension[] =>
      extensions.filter(({ extendee }) => extendee.typeName === message),
    knows: (message: string): boolean => bySymbol.has(message),
    withImports: (file: DescFile): DescFile[] => withImports([file]),
  }
}

/** The files and all that they import, each once and after a file that imports it. */
function withImports(roots: readonly DescFile[]): DescFile[] {
  const seen = new Set<DescFile>()
  const visit = (file: DescFile): void => {
    if (seen.has(file)) return
    seen.add(file)
    file.dependencies.forEach(visit)
  }
  roots.forEach(visit)
  return [...seen]
}

/** Every name that a file declares: types, services, methods, fields and enum values. */
function symbolsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((type) => {
    switch (type.kind) {
      case 'message':
        return [type.typeName, ...type.members.map(({ name }) => `${type.typeName}.${name}`)]
      case 'enum':
        return [type.typeName, ...type.values.map(({ name }) => `${scopeOf(type.typeName)}${name}`)]
      case 'service':
        return [type.typeName, ...type.methods.map(({ name }) => `${type.typeName}.${name}`)]
      case 'extension':
        return [type.typeName]
    }
  })
}

/** Enum values live in the scope around their enum. */
function scopeOf(typeName: string): string {
  return typeName.slice(0, typeName.lastIndexOf('.') + 1)
}
