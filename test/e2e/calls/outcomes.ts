// Outcomes that rows share, and the texts of the rules that they name.
import type { Outcome, Text } from '../callers.ts'

export const nameRule = 'must have 1 to 100 characters after trimming'
export const mailRule = 'must be a valid email address'
export const noMailRule = 'value is empty, which is not a valid email address'
export const mailLengthRule = 'must be at most 254 characters'
export const phoneRule = 'must be empty, or 3 to 32 characters of digits, space and + - ( ) .'
export const textRule = 'must be Unicode text without U+0000 and without lone surrogates'
/** What is said of a string before any rule is asked. */
export const notTextRule = 'must be Unicode text without lone surrogates'
export const idRule = 'must be greater than 0'
export const countRule = 'must be greater than or equal to 0'
export const clearRule = 'cannot be cleared'
export const changeRule = 'must have something to change: name, email, phone'
export const tokenRule = 'must be a next_page_token of this list'
export const togetherRule = 'must not be given together with page'
export const pathRule = (path: string) =>
  `has the unknown path "${path}"; allowed are *, name, email, phone`

export function refused(fields: Text): Outcome {
  return { code: 'invalid_argument', reason: 'INVALID_USER_INPUT', metadata: fields, fields }
}

export function malformed(metadata: Text): Outcome {
  return { code: 'invalid_argument', reason: 'MALFORMED_BODY', metadata, fields: {} }
}

export function notFound(id: string): Outcome {
  return { code: 'not_found', reason: 'USER_NOT_FOUND', metadata: { user_id: id }, fields: {} }
}

export function taken(email: string): Outcome {
  return { code: 'already_exists', reason: 'USER_ALREADY_EXISTS', metadata: { email }, fields: {} }
}
