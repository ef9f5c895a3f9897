import type { DescField } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import { resolvePath } from '../field-path.ts'
import { isEmptyObject } from '../answer/encode.ts'
import type { HttpBinding } from '../route/rules.ts'
import { answerContent, isOfMessages, requestContent } from './content.ts'
import { type DocumentedRoute, failureResponses, jsonContent } from './failures.ts'
import { fieldSchema, fieldsOf, objectOf, requiredIn } from './field-schema.ts'
import type { DocumentPath } from './path.ts'
import { queryParameters } from './query.ts'
import type { Schema } from './scalar-schema.ts'
import { described, type SchemaSet } from './schema-set.ts'

const parameter = (name: string): Schema => ({ $ref: `#/components/parameters/${name}` })

/** The operation of one binding, without its operationId. */
export function operation(set: SchemaSet, route: DocumentedRoute, path: DocumentPath): Schema {
  const { binding } = route
  const { method, body } = binding
  const service = method.parent.typeName
  const text = described(set, `${service}.${method.name}`, method.deprecated)
  const [summary] = (text.description ?? method.name).split(/(?<=\.)\s/)
  return {
    tags: [service],
    summary,
    ...text,
    parameters: [
      ...path.parameters,
      ...queryParameters(set, binding),
      ...conditions(route),
      ...['ServerTimeout', 'ConnectTimeout', 'GrpcTimeout'].map(parameter),
    ],
    ...(body !== '' && { requestBody: requestBody(set, binding) }),
    responses: {
      200: success(set, binding),
      ...(isRead(binding) && { 304: notModified }),
      ...failureResponses({ ...route, isRemote: set.options.remote?.has(service) ?? false }),
      default: { description: 'Any other error.', content: jsonContent(anyError) },
    },
  }
}

const anyError = { $ref: '#/components/schemas/Error' }
const etagHeader = { ETag: { $ref: '#/components/headers/ETag' } }
const notModified = { description: 'If-None-Match names this state.', headers: etagHeader }

/** Whether the answer has an entity tag that a condition may name. */
function isRead(binding: HttpBinding): boolean {
  return ['GET', 'HEAD'].includes(binding.httpMethod) && isOfMessages(binding)
}

/** The headers that make a call conditional. */
function conditions({ binding, etag }: DocumentedRoute): Schema[] {
  if (isRead(binding)) return ['IfMatch', 'IfNoneMatch'].map(parameter)
  return etag === undefined ? [] : ['IfMatch', 'IfNoneMatchAny'].map(parameter)
}

function success(set: SchemaSet, binding: HttpBinding): Schema {
  const { method, httpMethod, responseBody } = binding
  const field = fieldNamed(method.output, responseBody)
  const tagged = ['GET', 'PATCH'].includes(httpMethod) && isOfMessages(binding)
  return {
    description: 'OK',
    ...(tagged && { headers: etagHeader }),
    content: answerContent(binding, () =>
      field ? answerOf(set, field) : set.reference(method.output, 'answer'),
    ),
  }
}

/** The schema of a field that is the whole answer, also if it is an unset message. */
function answerOf(set: SchemaSet, field: DescField): Schema {
  const schema = fieldSchema(set, field, 'answer')
  if (field.fieldKind !== 'message') return schema
  const [only, none] = Array.isArray(schema.anyOf) ? (schema.anyOf as Schema[]) : []
  const unset = isEmptyObject(field.message)
    ? { type: 'object', maxProperties: 0 }
    : { type: 'null' }
  return { anyOf: [none?.type === 'null' ? only : schema, unset] }
}

function requestBody(set: SchemaSet, binding: HttpBinding): Schema {
  const { method, body } = binding
  const field = body === '*' ? undefined : fieldNamed(method.input, body)
  const { schema, required } = field
    ? {
        schema: fieldSchema(set, field, 'request'),
        required: requiredIn(set, method.input).includes(field.jsonName),
      }
    : wholeMessage(set, binding)
  return { ...(required && { required }), content: requestContent(binding, schema) }
}

/** The request message without the fields that the path fills. */
function wholeMessage(set: SchemaSet, { method, template }: HttpBinding) {
  const filled = template.variables.map(
    ({ name }) => resolvePath(method.input, name)?.[0]?.jsonName,
  )
  const left = requiredIn(set, method.input).filter((name) => !filled.includes(name))
  if (filled.length === 0)
    return { schema: set.reference(method.input, 'request'), required: left.length > 0 }
  const fields = fieldsOf(method.input, 'request').filter(
    ({ jsonName }) => !filled.includes(jsonName),
  )
  return { schema: objectOf(set, fields, left, 'request'), required: left.length > 0 }
}
