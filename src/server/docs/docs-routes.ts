import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'
import { routeNotFound } from '../../rest/errors.ts'
import {
  contentSecurityPolicy,
  docsPage,
  initializer,
  pageStyle,
  startDocument,
  type StartFacts,
  startPage,
} from './pages.ts'
import { sendFile, type StoredFile, storedFile } from './stored-file.ts'

/** The facts of the documentation of a port. */
export interface DocsOptions extends Omit<StartFacts, 'docs'> {
  /** Makes the documents, each as JSON and YAML; undefined if none are served. */
  documents: (() => Promise<DocumentTexts>) | undefined
}

/** The OpenAPI documents as text. */
export interface DocumentTexts {
  rest: { json: string; yaml: string }
  connect: { json: string; yaml: string }
}

const html = 'text/html; charset=utf-8'
const css = 'text/css; charset=utf-8'
const script = 'text/javascript; charset=utf-8'
const json = 'application/json'
// RFC 9512.
const yaml = 'application/yaml'

const bundled: Record<string, string> = {
  'swagger-ui.css': css,
  'swagger-ui-bundle.js': script,
  'favicon-32x32.png': 'image/png',
}

/**
 * Adds the start page, and, if there are documents, `/openapi.json` and others with the pages that
 * show them. Files are read and documents made at the first request for them.
 */
export function docsRoutes(app: FastifyInstance, { documents, ...facts }: DocsOptions): void {
  startRoutes(app, { ...facts, docs: documents !== undefined })
  if (documents === undefined) return
  const made = once(documents)
  serve(app, '/openapi.json', async () => storedFile(json, (await made()).rest.json))
  serve(app, '/openapi.yaml', async () => storedFile(yaml, (await made()).rest.yaml))
  serve(app, '/openapi.connect.json', async () => storedFile(json, (await made()).connect.json))
  serve(app, '/openapi.connect.yaml', async () => storedFile(yaml, (await made()).connect.yaml))
  const rest = docsPage('/openapi.json', '/docs/connect')
  const connect = docsPage('/openapi.connect.json', '/docs')
  serve(app, '/docs', () => storedFile(html, rest))
  serve(app, '/docs/connect', () => storedFile(html, connect))
  serve(app, '/docs/initializer.js', () => storedFile(script, initializer))
  for (const [name, type] of Object.entries(bundled))
    serve(app, `/docs/${name}`, async () => storedFile(type, await swaggerUi(name)))
  app.get('/docs/*', ({ method, url }, reply) => {
    void reply.header('content-security-policy', contentSecurityPolicy)
    throw routeNotFound(method, url.split('?', 1)[0] ?? '')
  })
}

/** The first segments of the paths of docsRoutes, each with what is there and how to free it. */
export function docsSegments(docs: DocsOptions | undefined): ReadonlyMap<string, string> {
  if (docs?.documents === undefined) return new Map()
  const documents = ['openapi', 'openapi.connect'].flatMap((each) => [
    `${each}.json`,
    `${each}.yaml`,
  ])
  const use = 'its API documentation; server.docs: false takes that away'
  return new Map(['docs', ...documents].map((segment) => [segment, use]))
}

function startRoutes(app: FastifyInstance, facts: StartFacts): void {
  const page = once(() => storedFile(html, startPage(facts)))
  const document = once(() => storedFile(json, `${JSON.stringify(startDocument(facts))}\n`))
  app.get('/', async (request, reply) => {
    const isPage = request.headers.accept?.includes('text/html') === true
    void reply.header('content-security-policy', contentSecurityPolicy)
    const file = await (isPage ? page() : document())
    return sendFile(request, reply, file, 'Accept, Accept-Encoding')
  })
  serve(app, '/start.css', () => storedFile(css, pageStyle))
}

function serve(
  app: FastifyInstance,
  path: string,
  make: () => StoredFile | Promise<StoredFile>,
): void {
  const file = once(make)
  app.get(path, async (request, reply) => {
    // Before anything can fail: errors have it, too.
    void reply.header('content-security-policy', contentSecurityPolicy)
    return sendFile(request, reply, await file())
  })
}

function swaggerUi(name: string): Promise<Buffer> {
  return readFile(createRequire(import.meta.url).resolve(`swagger-ui-dist/${name}`))
}

/** The result of the first call for all calls; a call that failed is made again. */
function once<T>(make: () => T | Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return function made() {
    result ??= Promise.resolve()
      .then(make)
      .catch((err: unknown) => {
        result = undefined
        throw err
      })
    return result
  }
}
