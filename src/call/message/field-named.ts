import type { DescField, DescMessage } from '@bufbuild/protobuf'

const fieldIndex = new WeakMap<DescMessage, Map<string, DescField>>()

/** The field with this proto name or JSON name. */
export function fieldNamed(desc: DescMessage, name: string): DescField | undefined {
  let index = fieldIndex.get(desc)
  if (index === undefined) {
    const jsonNames = desc.fields.map((field) => [field.jsonName, field] as const)
    index = new Map([...jsonNames, ...desc.fields.map((field) => [field.name, field] as const)])
    fieldIndex.set(desc, index)
  }
  return index.get(name)
}
