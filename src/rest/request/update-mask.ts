import { create, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence, type FieldMask, FieldMaskSchema } from '@bufbuild/protobuf/wkt'
import { isObject } from './body.ts'
import { fieldNamed } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'

/** Where a PATCH has its mask and the message that the mask is about. */
interface DerivedMask {
  readonly localName: string
  readonly about: DescMessage
}

/**
 * Whether the mask of a method is to be derived from its body when the client gives none: PATCH of a
 * message field beside an `update_mask`, unless each field of that message can tell by itself whether
 * it is there, since then the service sees what was sent.
 */
export function derivedMask({ method, httpMethod, body }: HttpBinding): DerivedMask | undefined {
  const mask = fieldNamed(method.input, 'update_mask')
  const about = fieldNamed(method.input, body)
  if (httpMethod !== 'PATCH' || about?.fieldKind !== 'message') return undefined
  if (mask?.fieldKind !== 'message' || mask.message.typeName !== FieldMaskSchema.typeName)
    return undefined
  if (about.message.fields.every(tellsPresence)) return undefined
  return { localName: mask.localName, about: about.message }
}

/** Fills an absent or empty mask with the paths that the body names. */
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

/** The paths of a JSON object's leaves, in proto names: into messages, but not into lists, maps or well-known types. */
export function jsonPaths(about: DescMessage, text: string): string[] {
  const paths: string[] = []
  const pending = [{ desc: about, json: JSON.parse(text || '{}') as unknown, prefix: '' }]
  for (let next = pending.pop(); next; next = pending.pop()) {
    const { desc, json, prefix } = next
    if (!isObject(json)) continue
    for (const [key, value] of Object.entries(json)) {
      const field = fieldNamed(desc, key)
      if (field === undefined) continue
      const path = prefix + field.name
      const nested = nestedIn(field)
      if (nested && isObject(value) && Object.keys(value).length > 0)
        pending.push({ desc: nested, json: value, prefix: `${path}.` })
      else paths.push(path)
    }
  }
  return paths
}

function tellsPresence(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false
  return field.presence !== FeatureSet_FieldPresence.IMPLICIT
}

function nestedIn(field: DescField): DescMessage | undefined {
  if (field.fieldKind !== 'message') return undefined
  return field.message.typeName.startsWith('google.protobuf.') ? undefined : field.message
}
