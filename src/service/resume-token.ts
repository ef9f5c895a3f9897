import type { Position } from '../biz/changes.ts'
import { decodeToken, encodeToken } from './token.ts'

const form = /^v1:(\d{1,19}):(\d{1,15})$/

/** Writes a place in a history as a token. */
export function encodeResumeToken({ seq, at }: Position): string {
  return encodeToken(`v1:${seq}:${at}`)
}

/** The place in a token of encodeResumeToken; undefined for any other text. */
export function decodeResumeToken(token: string): Position | undefined {
  const found = form.exec(decodeToken(token) ?? '')
  if (found === null) return undefined
  const [, seq = '', at] = found
  const place = { seq: BigInt(seq), at: Number(at) }
  return place.seq < 2n ** 63n ? place : undefined
}
