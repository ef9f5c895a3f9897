import type { HttpBinding } from '../route/rules.ts'
import type { PathVariable } from '../route/template.ts'
import { resolvePath } from '../field-path.ts'
import { fieldSchema } from './field-schema.ts'
import type { Schema } from './scalar-schema.ts'
import type { SchemaSet } from './schema-set.ts'

/** The path of a binding in OpenAPI's syntax, with one parameter for each wildcard. */
export interface DocumentPath {
  path: string
  /** The path without the names of its parameters: equal for two that match the same requests. */
  shape: string
  parameters: (Schema & { name: string })[]
}

/** Makes the path of a binding. Parameters are named by their field, or by the literal before. */
export function documentPath(set: SchemaSet, binding: HttpBinding): DocumentPath {
  const { segments, verb } = binding.template
  const parameters: DocumentPath['parameters'] = []
  const parts = segments.map((segment, at) => {
    if (segment.kind === 'literal') return encodeURI(segment.value)
    const taken = parameters.map(({ name }) => name)
    const parameter = pathParameter(set, binding, at, taken)
    parameters.push(parameter)
    return `{${parameter.name}}`
  })
  const path = `/${parts.join('/')}${verb === '' ? '' : `:${verb}`}`
  return { path, shape: path.replace(/\{[^}]*\}/g, '{}'), parameters }
}

function pathParameter(
  set: SchemaSet,
  binding: HttpBinding,
  at: number,
  taken: readonly string[],
): Schema & { name: string } {
  const { method, template } = binding
  const variable = template.variables.find(({ start, end }) => start <= at && at < end)
  const whole = variable && variable.end - variable.start === 1 ? variable : undefined
  const field = whole && resolvePath(method.input, whole.name)?.at(-1)
  const { description, deprecated, ...schema } = field
    ? fieldSchema(set, field, 'request')
    : { type: 'string' }
  const text = description ?? partOf(binding, variable)
  // A dot in the name of a parameter is no valid path for some tools.
  const name = whole ? whole.name.replaceAll('.', '_') : nameAfter(binding, at)
  return {
    name: freeName(name, taken),
    in: 'path',
    required: true,
    ...(text !== undefined && { description: text }),
    ...(deprecated !== undefined && { deprecated }),
    schema: notEmpty(schema),
    ...(template.segments[at]?.kind === 'deep' && { 'x-multi-segment': true }),
  }
}

/** A path segment has one character at least. */
function notEmpty(schema: Schema): Schema {
  const bounded = ['pattern', 'format', 'enum', 'minLength'].some((key) => key in schema)
  return schema.type === 'string' && !bounded ? { ...schema, minLength: 1 } : schema
}

function partOf({ template }: HttpBinding, variable: PathVariable | undefined) {
  if (variable === undefined) return undefined
  const segments = template.segments.slice(variable.start, variable.end)
  const source = segments.map((each) =>
    each.kind === 'literal' ? each.value : each.kind === 'single' ? '*' : '**',
  )
  return `Part of \`${variable.name}\`, which has the form \`${source.join('/')}\`.`
}

/** `shelves_id` after the literal `shelves`: a name that cuts the plural would often be wrong. */
function nameAfter({ template }: HttpBinding, at: number): string {
  const before = template.segments[at - 1]
  return before?.kind === 'literal' ? `${before.value.replace(/\W/g, '_')}_id` : 'part'
}

/** The name, with a number after it if it is taken. */
export function freeName(name: string, taken: readonly string[]): string {
  let free = name
  for (let count = 2; taken.includes(free); count += 1) free = `${name}_${count}`
  return free
}
