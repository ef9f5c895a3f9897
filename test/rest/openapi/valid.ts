import { validate } from '@readme/openapi-parser'
import { Validator } from '@seriousme/openapi-schema-validator'
import type { Test } from 'tap'
import type { OpenApi } from '../../../src/rest/openapi/document.ts'

/** Two validators find nothing wrong with a document. They get copies, since they change it. */
export async function isValid(t: Test, document: OpenApi): Promise<void> {
  const copy = () => JSON.parse(JSON.stringify(document)) as never
  t.match(await new Validator().validate(copy()), { valid: true, errors: undefined })
  t.match(await validate(copy()), { valid: true })
}
