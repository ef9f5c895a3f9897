import type { Field, Resource } from '../field.ts'

/** What turns messages of a resource into calls of its use case, and results into messages. */
export function service({ noun, fields }: Resource): string {
  const { snake, camel, pascal, many } = noun
  const times = fields.filter(({ kind }) => kind.domain === 'Date')
  const hasRequiredTime = times.some(({ isOptional }) => !isOptional)
  const violation = hasRequiredTime ? `import type { FieldViolation } from '../biz/error.ts'\n` : ''
  return `import { create } from '@bufbuild/protobuf'
import { ${hasRequiredTime ? 'type Timestamp, ' : ''}${times.length > 0 ? 'timestampDate, ' : ''}timestampFromDate } from '@bufbuild/protobuf/wkt'
import type { ServiceImpl } from '@connectrpc/connect'
${violation}import { type ${pascal} as Domain${pascal}, type ${pascal}Fields, type ${pascal}Usecase, invalid${pascal}Input } from '../biz/${noun.kebab}.ts'
import {
  type ${pascal},
  ${pascal}FieldsSchema,
  type Create${pascal}Request,
  Get${pascal}ReplySchema,
  type Get${pascal}Reply,
  type Update${pascal}Request,
} from '../gen/api/${snake}/v1/${snake}_pb.ts'
import { decodePageToken, encodePageToken } from './page-token.ts'
import { changesOf } from './update-mask.ts'

/** What tokens of List${many.pascal} call their list. */
const listName = '${many.snake}'

/** Serves api.${snake}.v1.${pascal}: converts messages to calls of the use case, and results to messages. */
export function ${camel}Service(${many.camel}: ${pascal}Usecase): ServiceImpl<typeof ${pascal}> {
  return {
    async create${pascal}(request, { signal }) {
      return toReply(await ${many.camel}.create(toFields(request), signal))
    },
    async get${pascal}({ id }, { signal }) {
      return toReply(await ${many.camel}.get(id, signal))
    },
    async list${many.pascal}({ pageSize, pageToken }, { signal }) {
      const page = await ${many.camel}.list(startOf(pageToken), pageSize, signal)
      return {
        ${many.camel}: page.${many.camel}.map(toReply),
        nextPageToken: page.next === undefined ? '' : encodePageToken(listName, page.next),
      }
    },
    async update${pascal}(request, { signal }) {
      return toReply(await ${many.camel}.update(request.id, toChanges(request), signal))
    },
    async delete${pascal}({ id }, { signal }) {
      await ${many.camel}.delete(id, signal)
      return {}
    },
  }
}

function toReply(${camel}: Domain${pascal}): Get${pascal}Reply {
  return create(Get${pascal}ReplySchema, {
    id: ${camel}.id,
    ${fields.map((field) => `${replied(field, camel)},`).join('\n    ')}
    createdAt: timestampFromDate(${camel}.createdAt),
  })
}

function toFields(request: Create${pascal}Request): ${pascal}Fields {
  return {
    ${fields.map((field) => `${field.camel}: ${given(field)},`).join('\n    ')}
  }
}

/** The new values of the fields that change, by fields and mask as described in ${snake}.proto. */
function toChanges({ ${camel}, updateMask }: Update${pascal}Request): Partial<${pascal}Fields> {
  return changesOf<${pascal}Fields>({
    at: '${snake}',
    desc: ${pascal}FieldsSchema,
    message: ${camel},
    mask: updateMask,
    values: {
      ${fields.map((field) => `${field.camel}: ${changed(field, camel)},`).join('\n      ')}
    },
    invalid: invalid${pascal}Input,
  })
}

/** The id after which a page starts; 0 for the first. */
function startOf(pageToken: string): bigint {
  if (pageToken === '') return 0n
  const after = decodePageToken(listName, pageToken)
  if (after !== undefined) return after
  const rule = 'must be a next_page_token of this list'
  throw invalid${pascal}Input([{ field: 'page_token', rule }])
}
${hasRequiredTime ? `\n${requiredTime(pascal)}` : ''}`
}

function requiredTime(pascal: string): string {
  return `/** The time of a field that every request has, by a rule of the proto. */
function timeOf(field: FieldViolation['field'], time: Timestamp | undefined): Date {
  if (time === undefined) throw invalid${pascal}Input([{ field, rule: 'must be given' }])
  return timestampDate(time)
}
`
}

function replied({ camel, kind, isOptional }: Field, noun: string): string {
  const value = `${noun}.${camel}`
  const message = kind.domain === 'Date' ? `timestampFromDate(${value})` : value
  return isOptional ? `...(${value} !== null && { ${camel}: ${message} })` : `${camel}: ${message}`
}

function given({ camel, snake, kind, isOptional }: Field): string {
  const value = `request.${camel}`
  if (kind.domain !== 'Date') return isOptional ? `${value} ?? null` : value
  return isOptional
    ? `${value} === undefined ? null : timestampDate(${value})`
    : `timeOf('${snake}', ${value})`
}

function changed({ camel, kind, isOptional }: Field, noun: string): string {
  const value = `${noun}?.${camel}`
  const domain = kind.domain === 'Date' ? `${value} && timestampDate(${noun}.${camel})` : value
  if (!isOptional) return domain
  return kind.domain === 'Date' ? `(${domain}) ?? null` : `${value} ?? null`
}
