import type { Field, Resource } from '../field.ts'

const timestamp = 'google.protobuf.Timestamp'

/** The name of a field of the cached message, in the proto or in TypeScript: times are milliseconds there. */
function nameOf({ snake, camel, kind }: Field, language: 'proto' | 'ts'): string {
  const isTime = kind.proto === timestamp
  if (language === 'proto') return isTime ? `${snake}_ms` : snake
  return isTime ? `${camel}Ms` : camel
}

/** The proto of a resource as it stands in Redis. */
export function cacheProto({ noun, fields }: Resource): string {
  const { kebab, pascal, a } = noun
  const lines = fields.map((field, index) => {
    const type = field.kind.proto === timestamp ? 'int64' : field.kind.proto
    return `  ${field.isOptional ? 'optional ' : ''}${type} ${nameOf(field, 'proto')} = ${index + 2};`
  })
  return `syntax = "proto3";

package cache.v1;

// ${a.slice(0, 1).toUpperCase()}${a.slice(1)} as it stands in Redis, with times as milliseconds of the epoch. A change that an older version cannot
// read needs another key than ${kebab}:v1:.
message Cached${pascal} {
  int64 id = 1;
${lines.join('\n')}
  int64 created_at_ms = ${fields.length + 2};
}
`
}

/** How rows of a resource stand in Redis. */
export function cacheKind({ noun, fields }: Resource): string {
  const { kebab, snake, camel, pascal, words, many } = noun
  const all = (map: (field: Field) => string) => fields.map(map).join('\n      ')
  const read = fields.map((field) => nameOf(field, 'ts')).join(', ')
  return `import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { ${pascal} } from '../../biz/${kebab}.ts'
import { Cached${pascal}Schema } from '../../gen/cache/v1/${snake}_pb.ts'
import type { CachedKind } from './values.ts'

/** ${many.words.slice(0, 1).toUpperCase()}${many.words.slice(1)} in Redis. */
export const cached${many.pascal}: CachedKind<${pascal}> = {
  name: '${pascal}',
  prefix: '${kebab}:v1:',
  encode(${camel}) {
    const message = create(Cached${pascal}Schema, {
      id: ${camel}.id,
      ${all((field) => `${nameOf(field, 'ts')}: ${encoded(camel, field)},`)}
      createdAtMs: BigInt(${camel}.createdAt.getTime()),
    })
    return toBinary(Cached${pascal}Schema, message)
  },
  decode(bytes) {
    const { id, ${read}, createdAtMs } = fromBinary(Cached${pascal}Schema, bytes)
    // Of other bytes that can be read as this message, hardly any have these.
    if (id <= 0n || createdAtMs === 0n) throw new Error('no ${words}')
    return {
      id,
      ${all((field) => `${decoded(field)},`)}
      createdAt: new Date(Number(createdAtMs)),
    }
  },
}
`
}

function encoded(row: string, { camel, kind, isOptional }: Field): string {
  const value = `${row}.${camel}`
  if (kind.proto !== timestamp) return isOptional ? `${value} ?? undefined` : value
  const ms = `BigInt(${value}.getTime())`
  return isOptional ? `${value} === null ? undefined : ${ms}` : ms
}

function decoded(field: Field): string {
  const { camel, kind, isOptional } = field
  if (kind.proto !== timestamp) return isOptional ? `${camel}: ${camel} ?? null` : camel
  const date = `new Date(Number(${camel}Ms))`
  return `${camel}: ${isOptional ? `${camel}Ms === undefined ? null : ${date}` : date}`
}
