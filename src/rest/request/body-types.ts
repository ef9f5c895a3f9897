import { type BodyTypes, commonTypes, mergePatchType, streamedTypes } from '../media-type.ts'
import type { HttpBinding } from '../route/rules.ts'
import { derivedMask } from './update-mask.ts'

/** The types that a method's bodies may have. A merge patch needs a mask, to tell what it names. */
export function bodyTypes(binding: HttpBinding): BodyTypes {
  if (binding.method.methodKind === 'client_streaming') return streamedTypes
  if (binding.httpMethod !== 'PATCH') return commonTypes
  const { list } = commonTypes
  const merges = derivedMask(binding) !== undefined
  return { header: 'Accept-Patch', list: merges ? `${mergePatchType}, ${list}` : list }
}
