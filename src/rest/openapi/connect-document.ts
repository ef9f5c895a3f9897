import type { DescMethod } from '@bufbuild/protobuf'
import { type DocumentOptions, frame, noteAll, type OpenApi, servicesOf } from './document.ts'
import type { Schema } from './scalar-schema.ts'
import { described, type SchemaSet } from './schema-set.ts'
import { schemas } from './schemas.ts'

/** The OpenAPI 3.1 document of unary methods as Connect serves them: POST of JSON. */
export function connectDocument(all: readonly DescMethod[], options: DocumentOptions): OpenApi {
  const unary = all.filter(({ methodKind }) => methodKind === 'unary')
  const set = schemas(options)
  noteAll(set, unary)
  const paths: OpenApi['paths'] = {}
  for (const method of unary)
    paths[`/${method.parent.typeName}/${method.name}`] = { post: connectOperation(set, method) }
  const components = { schemas: { ConnectError: connectError } }
  return frame(set, options, { services: servicesOf(unary), paths, components })
}

const content = (schema: Schema) => ({ 'application/json': { schema } })

function connectOperation(set: SchemaSet, method: DescMethod): Schema {
  const service = method.parent
  const text = described(set, `${service.typeName}.${method.name}`, method.deprecated)
  const [summary] = (text.description ?? method.name).split(/(?<=\.)\s/)
  const error = content({ $ref: '#/components/schemas/ConnectError' })
  return {
    operationId: `${service.name}_${method.name}`,
    tags: [service.typeName],
    summary,
    ...text,
    requestBody: { required: true, content: content(set.reference(method.input, 'request')) },
    responses: {
      200: { description: 'OK', content: content(set.reference(method.output, 'answer')) },
      '4XX': { description: 'The call is refused.', content: error },
      default: { description: 'Any other error.', content: error },
    },
  }
}

const codes =
  'canceled unknown invalid_argument deadline_exceeded not_found already_exists permission_denied ' +
  'resource_exhausted failed_precondition aborted out_of_range unimplemented internal unavailable ' +
  'data_loss unauthenticated'

const connectError: Schema = {
  type: 'object',
  description: 'The body of every error. The reason is in the detail google.rpc.ErrorInfo.',
  properties: {
    code: { type: 'string', enum: codes.split(' ') },
    message: { type: 'string', description: 'A text for people. It may change.' },
    details: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', description: 'The full name of the message in `value`.' },
          value: { type: 'string', contentEncoding: 'base64' },
          debug: { type: 'object' },
        },
        required: ['type', 'value'],
      },
    },
  },
  required: ['code'],
}
