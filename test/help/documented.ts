import { readFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Answer } from './answers.ts'

type Json = Record<string, unknown>
type Document = { paths: Record<string, Record<string, Json>> }

const file = new URL('../../docs/openapi.json', import.meta.url)

/** The document of the service itself. */
export const openApiFile = (): unknown => JSON.parse(readFileSync(file, 'utf8'))

/**
 * Compares answers with an OpenAPI document. The returned function says what the document lacks for an
 * answer; undefined if nothing, or if no operation was asked. `default` counts as no documentation.
 */
export function documentedAnswers(given: unknown): (answer: Answer) => string | undefined {
  const document = given as Document
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(document, 'document')
  const operationOf = operations(document)
  const schemas = new Map<object, ValidateFunction>()
  function validator(schema: object): ValidateFunction {
    const known = schemas.get(schema)
    if (known) return known
    const rebased = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object
    const compiled = ajv.compile(rebased)
    schemas.set(schema, compiled)
    return compiled
  }
  return function lacking(answer) {
    const { method, path, status, headers, body } = answer
    const operation = operationOf(method, path)
    if (!operation) return undefined
    const name = `${String(operation.operationId)} (${method} ${path}) ${status}`
    const response = resolved(document, (operation.responses as Json)[status])
    if (!response) return `${name}: no such status; ${body?.toString()}`
    if (body === undefined || method === 'HEAD') return undefined
    if (body.length === 0) return response.content ? `${name}: an answer without a body` : undefined
    const type = String(headers['content-type']).split(';', 1)[0] ?? ''
    const content = response.content as Record<string, { schema: object }> | undefined
    const media = content?.[type] ?? content?.['*/*']
    if (!media) return `${name}: no such type: ${type}`
    // Records of a stream, and bytes.
    if (!/[/+](?:proto)?json$/.test(type)) return undefined
    const value: unknown = JSON.parse(decoded(headers['content-encoding'], body).toString())
    const validate = validator(media.schema)
    if (validate(value)) return undefined
    return `${name}: ${ajv.errorsText(validate.errors)}; ${JSON.stringify(value)}`
  }
}

/** Finds the operation that a request asks for. HEAD is answered as GET. */
function operations({ paths }: Document) {
  const all = Object.entries(paths).map(([template, item]) => {
    const source = template.replace(/[.+*?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]*\}/g, '[^/]*')
    return { pattern: new RegExp(`^${source}$`), item }
  })
  return (method: string, path: string): Json | undefined => {
    const found = all.find(({ pattern }) => pattern.test(path))
    return found?.item[method === 'HEAD' ? 'get' : method.toLowerCase()]
  }
}

function resolved(document: object, response: unknown): Json | undefined {
  const { $ref } = (response ?? {}) as { $ref?: string }
  if ($ref === undefined) return response as Json | undefined
  const keys = $ref.slice(2).split('/')
  return keys.reduce<unknown>((found, key) => (found as Json)[key], document) as Json
}

function decoded(coding: unknown, body: Buffer): Buffer {
  if (coding === 'gzip') return gunzipSync(body)
  if (coding === 'br') return brotliDecompressSync(body)
  return coding === 'zstd' ? zstdDecompressSync(body) : body
}
