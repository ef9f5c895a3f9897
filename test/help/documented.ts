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
    const content = response.content as Record<string, { schema?: object }> | undefined
    const media = content?.[type] ?? content?.['*/*']
    if (!media) return `${name}: no such type: ${type}`
    const text = () => decoded(headers['content-encoding'], body).toString()
    // Bytes have no schema, whatever they are.
    const { schema } = media
    if (!schema) return undefined
    for (const { value, isError } of valuesOf(type, text)) {
      const validate = validator(isError ? errorSchema : schema)
      if (!validate(value))
        return `${name}: ${ajv.errorsText(validate.errors)}; ${JSON.stringify(value)}`
    }
    return undefined
  }
}

const errorSchema = { $ref: '#/components/schemas/Error' }

interface Value {
  value: unknown
  /** Whether it is the record of a stream that has failed. */
  isError: boolean
}

/** The JSON values of an answer; none of one that is bytes. */
function valuesOf(type: string, text: () => string): Value[] {
  if (/[/+](?:proto)?json$/.test(type)) return [{ value: JSON.parse(text()), isError: false }]
  if (type === 'text/event-stream') return text().split('\n\n').flatMap(eventOf)
  if (!/\/(?:x-ndjson|jsonl)$/.test(type)) return []
  return text().split('\n').filter(Boolean).map(lineOf)
}

function lineOf(line: string): Value {
  const value = JSON.parse(line) as Json
  const isError = Object.keys(value).join() === 'error'
  return { value: isError ? value.error : value, isError }
}

function eventOf(event: string): Value[] {
  const [, kind] = /^event: (.*)$/m.exec(event) ?? []
  const data = [...event.matchAll(/^data: (.*)$/gm)].map(([, line]) => line).join('\n')
  return data === '' || kind === 'end'
    ? []
    : [{ value: JSON.parse(data), isError: kind === 'error' }]
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
