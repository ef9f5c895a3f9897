import { recordMethods } from '../../call/methods.ts'
import { validator } from '../../conf/validator.ts'
import { compileRoutes } from '../../rest/compiled-route.ts'
import type { OpenApi } from '../../rest/openapi/document.ts'
import type { DocumentTexts } from '../../server/docs/docs-routes.ts'
import { type Module, routesOf } from '../module.ts'

/** The two OpenAPI documents of the service. */
interface Documents {
  rest: OpenApi
  connect: OpenApi
}

/** Security schemes of OpenAPI by their names. */
export type Schemes = Readonly<Record<string, object>>

const restText = `The same methods are served as Connect, gRPC and gRPC-Web on the RPC port, 9000 unless set. \
That port describes itself by gRPC reflection: \`grpcurl -plaintext localhost:9000 list\`, or grpcui.`

const connectText =
  'Connect on the RPC port, 9000 unless set: each method by POST with its message as JSON.'

/**
 * Makes the OpenAPI documents of the methods of all modules. It takes half a second, and loads its
 * own files, so it is called when a document is first asked for.
 */
export async function documents(
  modules: readonly Module[],
  version: string,
  schemes: Schemes = {},
): Promise<Documents> {
  const [{ restDocument }, { connectDocument }, { comments }] = await Promise.all([
    import('../../rest/openapi/document.ts'),
    import('../../rest/openapi/connect-document.ts'),
    import('../../gen/comments.ts'),
  ])
  const further = modules.map((module) => module.comments ?? {})
  const shared = {
    version,
    comments: Object.assign({}, ...further, comments) as typeof comments,
    validator,
    remote: new Set(modules.flatMap(remoteNames)),
  }
  const routes = routesOf(modules)
  const targets = compileRoutes({ routes }).routes.map(({ target }) => target)
  const methods = recordMethods(routes).map(({ method }) => method)
  const api = titleOf(modules)
  const rest = { title: `${api} over REST`, description: restText, emitDefaults: true }
  const connect = { title: `${api} over Connect`, description: connectText }
  return {
    rest: guarded(restDocument(targets, { ...shared, ...rest }), schemes),
    connect: guarded(
      connectDocument(methods, { ...shared, ...connect, emitDefaults: false }),
      schemes,
    ),
  }
}

/** The services of a module that another process has. */
function remoteNames({ isRemote, services }: Module): string[] {
  return isRemote ? services.map(({ typeName }) => typeName) : []
}

/** The document with the credentials that its operations ask for: any of the schemes. */
function guarded(document: OpenApi, schemes: Schemes): OpenApi {
  const names = Object.keys(schemes)
  if (names.length === 0) return document
  const components = { ...Object(document.components), securitySchemes: schemes }
  return { ...document, components, security: names.map((name) => ({ [name]: [] })) }
}

/** `User API`; the names of all services, if there are several. */
function titleOf(modules: readonly Module[]): string {
  const names = modules.flatMap(({ services }) => services.map(({ name }) => name))
  return `${names.join(', ')} API`
}

/** The documents as JSON and YAML. */
export async function documentTexts(
  modules: readonly Module[],
  version: string,
  schemes: Schemes = {},
): Promise<DocumentTexts> {
  const [{ rest, connect }, { stringify }] = await Promise.all([
    documents(modules, version, schemes),
    import('yaml'),
  ])
  // Repeated parts are written out: anchors would be no part of OpenAPI.
  const both = (document: OpenApi) => ({
    json: JSON.stringify(document),
    yaml: stringify(document, { aliasDuplicateObjects: false }),
  })
  return { rest: both(rest), connect: both(connect) }
}
