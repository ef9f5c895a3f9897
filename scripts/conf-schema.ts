// The JSON schema of the settings that the Helm chart takes, from the rules of proto/conf.
import { type DescField, type DescMessage, getOption, ScalarType } from '@bufbuild/protobuf'

import { field as fieldRules } from '../src/gen/buf/validate/validate_pb.ts'
import { ConfSchema } from '../src/gen/conf/v1/conf_pb.ts'

/** What the chart decides by itself, from other values of it. */
const decidedByChart = new Set([
  'server.http',
  'server.grpc',
  'server.shutdown',
  'server.tls.cert_file',
  'server.tls.key_file',
  // The kubelet, which asks for health on the same port, has no client certificate.
  'server.tls.client_ca_file',
  'data.database.source',
  'metrics.addr',
  'data.database.sqlite_path',
])

type Schema = Record<string, unknown>

/** A text from the environment, which only the service can judge. */
const placeholder = '\\$\\{'

const durationPattern = `^[0-9]+(\\.[0-9]{1,9})?s$|${placeholder}`

/** The schema of `values.config`: every key optional, none unknown, each in the limits of proto/conf. */
export function confSchema(): Schema {
  return ofMessage(ConfSchema, '')
}

function ofMessage(message: DescMessage, path: string): Schema {
  const fields = message.fields
    .map((field) => [field, path === '' ? field.name : `${path}.${field.name}`] as const)
    .filter(([, at]) => !decidedByChart.has(at))
  const properties = Object.fromEntries(
    fields.map(([field, at]) => [field.name, ofField(field, at)]),
  )
  return { type: 'object', additionalProperties: false, properties }
}

function ofField(field: DescField, path: string): Schema {
  if (field.fieldKind === 'map') {
    const values = field.mapKind === 'message' ? ofSubmessage(field.message, path) : {}
    return { type: 'object', additionalProperties: values }
  }
  if (field.fieldKind === 'list') {
    return {
      type: 'array',
      items: field.listKind === 'message' ? ofSubmessage(field.message, path) : {},
    }
  }
  if (field.fieldKind === 'message') return ofSubmessage(field.message, path)
  return field.fieldKind === 'scalar' ? ofScalar(field) : {}
}

function ofSubmessage(message: DescMessage, path: string): Schema {
  const isDuration = message.typeName === 'google.protobuf.Duration'
  return isDuration ? { type: 'string', pattern: durationPattern } : ofMessage(message, path)
}

function ofScalar(field: DescField & { fieldKind: 'scalar' }): Schema {
  if (field.scalar === ScalarType.STRING) return ofString(field)
  // A keyword for another type than the value's says nothing, so one list of types has the limits of each.
  if (field.scalar === ScalarType.BOOL) return { type: ['boolean', 'string'], pattern: placeholder }
  const whole = field.scalar !== ScalarType.DOUBLE && field.scalar !== ScalarType.FLOAT
  return { type: [whole ? 'integer' : 'number', 'string'], ...limits(field), pattern: placeholder }
}

function ofString(field: DescField): Schema {
  const { type } = getOption(field, fieldRules)
  const allowed = type.case === 'string' ? type.value.in : []
  if (allowed.length === 0) return { type: 'string' }
  const literal = allowed.map((text) => text.replaceAll('.', '\\.')).join('|')
  return { type: 'string', pattern: `^(${literal})$|${placeholder}` }
}

function limits(field: DescField): Schema {
  const rules = getOption(field, fieldRules).type.value as
    | {
        greaterThan?: { case?: string; value?: unknown }
        lessThan?: { case?: string; value?: unknown }
      }
    | undefined
  const { greaterThan, lessThan } = rules ?? {}
  return {
    ...(typeof greaterThan?.value === 'number' && {
      [greaterThan.case === 'gt' ? 'exclusiveMinimum' : 'minimum']: greaterThan.value,
    }),
    ...(typeof lessThan?.value === 'number' && {
      [lessThan.case === 'lt' ? 'exclusiveMaximum' : 'maximum']: lessThan.value,
    }),
  }
}
