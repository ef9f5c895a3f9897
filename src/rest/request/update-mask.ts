import { create, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence, type FieldMask, FieldMaskSchema } from '@bufbuild/protobuf/wkt'
import { isObject } from '../../text/json-object.ts'
import { malformedBody } from '../../call/message/json-message.ts'
import { fieldNamed } from '../../call/message/field-named.ts'
import type { BodyFormat } from '../media-type.ts'
import type { HttpBinding } from '../route/rules.ts'

/** The mask field of a PATCH request, and the message whose fields the mask names. */
interface DerivedMask {
  readonly localName: string
  readonly about: DescMessage
  /** Whether every field has presence, so that a JSON body needs no mask. */
  readonly isTold: boolean
}

/**
 * The mask to derive from the body: for PATCH whose body is a message field, if the request has an
 * `update_mask`, too. Undefined for other bindings.
 */
export function derivedMask({ method, httpMethod, body }: HttpBinding): DerivedMask | undefined {
  const mask = fieldNamed(method.input, 'update_mask')
  const about = fieldNamed(method.input, body)
  if (httpMethod !== 'PATCH' || about?.fieldKind !== 'message') return undefined
  if (mask?.fieldKind !== 'message' || mask.message.typeName !== FieldMaskSchema.typeName)
    return undefined
  const isTold = about.message.fields.every(tellsPresence)
  return { localName: mask.localName, about: about.message, isTold }
}

/**
 * Whether a body of this format needs a mask. A merge patch always does: it clears a field by
 * null, which the parsed message does not show.
 */
export function needsMask({ isTold }: DerivedMask, format: BodyFormat): boolean {
  return format === 'merge-patch' || !isTold
}

/** Fills an absent or empty mask of `message` with the paths in the body. `named` reads them. */
export function deriveMask(
  { localName, about }: DerivedMask,
  message: Message,
  named: () => string[],
): void {
  const fields = message as Message & Record<string, unknown>
  const given = fields[localName] as FieldMask | undefined
  if (given !== undefined && given.paths.length > 0) return
  const paths = named()
  if (paths.length > 0 && about.fields.length > 0)
    fields[localName] = create(FieldMaskSchema, { paths })
}

/**
 * The paths of the leaves of a JSON object, in proto names. Lists, maps and well-known types are
 * leaves.
 */
export function jsonPaths(about: DescMessage, text: string): string[] {
  return leaves(about, text).map(({ path }) => path)
}

/**
 * The paths that a merge patch (RFC 7396) changes, in proto names. An empty object changes nothing.
 * Throws MALFORMED_BODY for members of a map or of free JSON, since a mask cannot name them.
 */
export function mergePatchPaths(about: DescMessage, text: string): string[] {
  const changed = leaves(about, text).filter(({ value }) => !isEmptyObject(value))
  for (const { path, value } of changed)
    if (isObject(value)) {
      const rule = 'its members cannot be patched one by one; send the whole as application/json'
      throw malformedBody(`${path}: ${rule}`, { metadata: { [path]: rule } })
    }
  return changed.map(({ path }) => path)
}

interface Leaf {
  path: string
  value: unknown
}

function leaves(about: DescMessage, text: string): Leaf[] {
  const found: Leaf[] = []
  const pending = [{ desc: about, json: JSON.parse(text || '{}') as unknown, prefix: '' }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { desc, json, prefix } = next
    if (!isObject(json)) continue
    for (const [key, value] of Object.entries(json)) {
      const field = fieldNamed(desc, key)
      if (field === undefined) continue
      const path = prefix + field.name
      const nested = nestedIn(field)
      if (nested && isObject(value) && !isEmptyObject(value))
        pending.push({ desc: nested, json: value, prefix: `${path}.` })
      else found.push({ path, value })
    }
  }
  return found
}

function isEmptyObject(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0
}

function tellsPresence(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false
  return field.presence !== FeatureSet_FieldPresence.IMPLICIT
}

function nestedIn(field: DescField): DescMessage | undefined {
  if (field.fieldKind !== 'message') return undefined
  return field.message.typeName.startsWith('google.protobuf.') ? undefined : field.message
}
