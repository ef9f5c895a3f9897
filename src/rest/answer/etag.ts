import { hash } from 'node:crypto'
import type { AnswerType } from './negotiate.ts'
import type { Coding } from '../codings.ts'

/**
 * A weak validator of one representation: of this text, under this type, in this coding. Weak,
 * since compressing the same text again may give others.
 */
export function computedTag(text: string, type: AnswerType, coding: Coding | undefined): string {
  const variant = `${type === 'application/protojson' ? '-protojson' : ''}${coding ? `-${coding}` : ''}`
  return `W/"${hash('sha1', text, 'base64url')}${variant}"`
}

/** The validator that a service gave, in the form of the header (AIP-154 has it quoted or not). */
export function quotedTag(value: string): string | undefined {
  const opaque = opaqueOf(value)
  if (opaque !== undefined && value.endsWith(`"${opaque}"`)) return value
  return isOpaque(value) ? `"${value}"` : undefined
}

/** The same validator for a coded body, which may not share a strong one (RFC 9110, 8.8.3.3). */
export function weakTag(tag: string): string {
  return tag.startsWith('W/') ? tag : `W/${tag}`
}

/** Whether If-None-Match names the tag, by weak comparison; `*` names every one. */
export function namesTag(ifNoneMatch: string, tag: string): boolean {
  if (ifNoneMatch.trim() === '*') return true
  const wanted = opaqueOf(tag)
  let at = 0
  for (;;) {
    const open = ifNoneMatch.indexOf('"', at)
    const close = ifNoneMatch.indexOf('"', open + 1)
    if (open === -1 || close === -1) return false
    if (ifNoneMatch.slice(open + 1, close) === wanted) return true
    at = close + 1
  }
}

/** What stands between the quotes; undefined where there are none. */
function opaqueOf(tag: string): string | undefined {
  const start = tag.startsWith('W/') ? 3 : 1
  const quoted = tag[start - 1] === '"' && tag.length > start && tag.endsWith('"')
  return quoted && isOpaque(tag.slice(start, -1)) ? tag.slice(start, -1) : undefined
}

function isOpaque(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x21 || code === 0x22 || code === 0x7f || code > 0xff) return false
  }
  return true
}
