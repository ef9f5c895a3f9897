import { METHODS } from 'node:http'
import { getOption, hasOption } from '@bufbuild/protobuf'
import type { DescField, DescMessage, DescMethod } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'
import { http } from '../../gen/google/api/annotations_pb.ts'
import type { HttpRule } from '../../gen/google/api/http_pb.ts'
import { hasFields } from '../field-path.ts'
import type { ConfiguredRules } from './service-config.ts'
import { TemplateError, parseTemplate } from './template.ts'
import type { PathTemplate, PathVariable } from './template.ts'

/** One way to call a method over REST: one google.api.http rule. */
export interface HttpBinding {
  method: DescMethod
  /** 'GET', another HTTP method, or a custom kind as written; '*' = any method. */
  httpMethod: string
  template: PathTemplate
  /** '' = no body, '*' = the whole request message, else the name of one of its fields. */
  body: string
  /** '' = the whole response message, else the name of one of its fields. */
  responseBody: string
}

// Messages whose JSON form is one string or number, so that a path segment can hold them.
const textMessages = new Set([
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
  'google.protobuf.FieldMask',
])

/**
 * Reads the option google.api.http of a method: the rule itself, then its additional_bindings; []
 * for a method without the option. Throws for a rule that cannot work and names the proto file, the
 * method, the template and the column, since at run time it would only be a 404 or an unset field.
 */
export function httpBindings(method: DescMethod): HttpBinding[] {
  return configuredBindings(method, undefined)
}

/**
 * As httpBindings, with the rules of a service configuration after the method's own or in their
 * place.
 */
export function configuredBindings(
  method: DescMethod,
  configured: ConfiguredRules | undefined,
): HttpBinding[] {
  try {
    return rulesOf(method, configured).flatMap((rule) => {
      for (const { additionalBindings } of rule.additionalBindings)
        if (additionalBindings.length > 0)
          throw new Error(
            'additional_bindings nest one level only: list them all in the outer rule',
          )
      return [rule, ...rule.additionalBindings].map((each) => readRule(method, each))
    })
  } catch (cause) {
    const where = `${method.parent.file.proto.name}: ${method.parent.typeName}.${method.name}`
    throw new Error(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function rulesOf(method: DescMethod, configured: ConfiguredRules | undefined): HttpRule[] {
  const own = hasOption(method, http) ? [getOption(method, http)] : []
  const other = configured?.ruleFor(method)
  if (other === undefined) return own
  return configured?.mode === 'override' ? [other] : [...own, other]
}

function readRule(method: DescMethod, rule: HttpRule): HttpBinding {
  const { httpMethod, path } = readPattern(rule)
  const template = parseTemplate(path)
  for (const variable of template.variables) checkVariable(method.input, template, variable)
  const { body, responseBody } = rule
  if (body !== '' && body !== '*') checkField(method.input, template, 'body', body)
  if (responseBody !== '') checkField(method.output, template, 'response_body', responseBody)
  if (template.variables.some(({ name }) => name === body))
    throw ruleError(template, body, `"${body}" is bound by the path and by the body`)
  return { method, httpMethod, template, body, responseBody }
}

function readPattern({ pattern }: HttpRule): { httpMethod: string; path: string } {
  if (pattern.case === undefined)
    throw new Error('the rule has no pattern: set get, put, post, delete, patch or custom')
  if (pattern.case !== 'custom')
    return { httpMethod: pattern.case.toUpperCase(), path: pattern.value }
  const { kind, path } = pattern.value
  if (kind !== '*' && !METHODS.includes(kind))
    throw new Error(
      `path template ${JSON.stringify(path)}: custom kind ${JSON.stringify(kind)} is no HTTP method ` +
        `that Node knows (they are upper-case); allowed are "*" and ${METHODS.join(', ')}`,
    )
  return { httpMethod: kind, path }
}

/** An error at the column of the variable of that name, which a template has at most once. */
function ruleError(template: PathTemplate, variable: string, problem: string): TemplateError {
  const at = template.source.search(new RegExp(`\\{${variable.replaceAll('.', '\\.')}[=}]`))
  return new TemplateError(template.source, at + 2, problem)
}

function checkVariable(input: DescMessage, template: PathTemplate, { name }: PathVariable): void {
  const parts = name.split('.')
  let message = input
  for (const [index, part] of parts.entries()) {
    const field = message.fields.find((each) => each.name === part)
    if (!field) throw ruleError(template, name, unknownField('variable', part, message))
    const last = index === parts.length - 1
    if (last && isText(field)) return
    if (last || field.fieldKind !== 'message' || !hasFields(field.message))
      throw ruleError(template, name, `variable "${name}": ${unfit(field, last)}`)
    message = field.message
  }
}

function isText(field: DescField): boolean {
  if (field.fieldKind === 'scalar' || field.fieldKind === 'enum') return true
  if (field.fieldKind !== 'message') return false
  return isWrapperDesc(field.message) || textMessages.has(field.message.typeName)
}

function unfit(field: DescField, last: boolean): string {
  const type = `"${field.name}" is ${describeKind(field)}`
  if (!last) return `${type}, so it has no fields to go into`
  return `${type}; a path can fill a scalar, enum, wrapper, Timestamp, Duration or FieldMask`
}

function describeKind(field: DescField): string {
  if (field.fieldKind === 'message') return `the message ${field.message.typeName}`
  return field.fieldKind === 'list' ? 'repeated' : `of kind ${field.fieldKind}`
}

function checkField(
  message: DescMessage,
  template: PathTemplate,
  role: string,
  name: string,
): void {
  const where = `path template ${JSON.stringify(template.source)}`
  if (name.includes('.'))
    throw new Error(
      `${where}: ${role} "${name}" is nested; only a field of ${message.typeName} itself`,
    )
  if (!message.fields.some((field) => field.name === name))
    throw new Error(`${where}: ${unknownField(role, name, message)}`)
}

function unknownField(role: string, name: string, message: DescMessage): string {
  const names = message.fields.map((field) => field.name).join(', ')
  return `${role} names "${name}", which ${message.typeName} lacks; it has: ${names === '' ? 'no fields' : names}`
}
