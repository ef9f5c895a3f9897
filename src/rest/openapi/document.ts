import type { DescMethod, DescService } from '@bufbuild/protobuf'
import { errorSchema, type DocumentedRoute, sharedResponses } from './failures.ts'
import { operation } from './operation.ts'
import { documentPath, type DocumentPath, freeName } from './path.ts'
import type { Schema } from './scalar-schema.ts'
import { described, type SchemaOptions, type SchemaSet } from './schema-set.ts'
import { schemas } from './schemas.ts'
import { sharedHeaders, sharedParameters } from './shared.ts'

/** The facts of a document that the protos do not have. */
export interface DocumentOptions extends SchemaOptions {
  title: string
  version: string
  description: string
}

/** An OpenAPI document. */
export interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Schema>>
  [section: string]: unknown
}

/** The HTTP methods that a path item of OpenAPI 3.1 has. */
const methods = ['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE']

/** Whether OpenAPI 3.1 can describe a binding: there is no place for other HTTP methods. */
export function isDescribable({ binding }: DocumentedRoute): boolean {
  return methods.includes(binding.httpMethod)
}

/** The OpenAPI 3.1 document of REST routes. Routes that are not describable are left out. */
export function restDocument(
  routes: readonly DocumentedRoute[],
  options: DocumentOptions,
): OpenApi {
  const set = schemas(options)
  const described = routes.filter(isDescribable)
  noteAll(
    set,
    described.map(({ binding }) => binding.method),
  )
  const paths: OpenApi['paths'] = {}
  const firsts = new Map<string, DocumentPath>()
  const ids: string[] = []
  for (const route of described) {
    const { method, httpMethod } = route.binding
    const path = sharedPath(documentPath(set, route.binding), firsts)
    const operationId = freeName(`${method.parent.name}_${method.name}`, ids)
    ids.push(operationId)
    paths[path.path] ??= {}
    Object.assign(paths[path.path] ?? {}, {
      [httpMethod.toLowerCase()]: { operationId, ...operation(set, route, path) },
    })
  }
  const services = servicesOf(described.map(({ binding }) => binding.method))
  const components = {
    schemas: { Error: errorSchema },
    parameters: sharedParameters,
    headers: sharedHeaders,
    responses: usedResponses(paths),
  }
  return frame(set, options, { services, paths, components })
}

/** The shared responses that operations refer to. */
function usedResponses(paths: OpenApi['paths']): Record<string, Schema> {
  const text = JSON.stringify(paths)
  const used = Object.entries(sharedResponses).filter(([name]) =>
    text.includes(`responses/${name}"`),
  )
  return Object.fromEntries(used)
}

/** Tells the set of all messages of some methods. */
export function noteAll(set: SchemaSet, all: readonly DescMethod[]): void {
  for (const { input, output } of all) {
    set.note(input, 'request')
    set.note(output, 'answer')
  }
}

/** The services of some methods, each once. */
export function servicesOf(all: readonly DescMethod[]): DescService[] {
  return [...new Set(all.map(({ parent }) => parent))]
}

/** Two paths that differ only in names would be identical for OpenAPI: the first gives the names. */
function sharedPath(own: DocumentPath, firsts: Map<string, DocumentPath>): DocumentPath {
  const first = firsts.get(own.shape) ?? own
  firsts.set(own.shape, first)
  const parameters = own.parameters.map((each, at) => ({
    ...each,
    name: first.parameters[at]?.name ?? each.name,
  }))
  return { ...own, path: first.path, parameters }
}

interface Parts extends Pick<OpenApi, 'paths'> {
  services: readonly DescService[]
  /** The components that are not made from messages. */
  components: Record<string, Readonly<Record<string, Schema>>>
}

/** A document around its paths. */
export function frame(
  set: SchemaSet,
  { title, version, description }: DocumentOptions,
  { services, paths, components }: Parts,
): OpenApi {
  return {
    openapi: '3.1.1',
    info: { title, version, description },
    servers: [{ url: '/' }],
    security: [],
    tags: services.map(({ typeName, deprecated }) => ({
      name: typeName,
      ...described(set, typeName, deprecated),
    })),
    paths,
    components: { ...components, schemas: sorted({ ...set.components, ...components.schemas }) },
  }
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1)))
}
