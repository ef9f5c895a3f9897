import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** How a field may stand on the wire. */
interface WireField {
  types: readonly WireType[]
  /** The type of what is inside, where the field holds messages with their length. */
  message: DescMessage | undefined
}

const fieldsOf = new WeakMap<DescMessage, ReadonlyMap<number, WireField>>()

/**
 * Whether each known field has a wire type of its own type, in the messages within, too.
 * protobuf-es (2.17.0 and before) reads a field as its own type whatever the wire says, so that a text
 * of three bytes in the place of an id is id 3. Throws where the bytes end too early.
 */
export function haveWireTypes(desc: DescMessage, bytes: Uint8Array): boolean {
  return fit(desc, new BinaryReader(bytes), bytes.byteLength, 0)
}

// As many levels as protobuf-es reads, which refuses more with a reason of its own.
const maxLevels = 100

function fit(desc: DescMessage, reader: BinaryReader, end: number, level: number): boolean {
  const fields = wireFields(desc)
  while (reader.pos < end) {
    const [number, type] = reader.tag()
    const field = fields.get(number)
    if (field !== undefined && !field.types.includes(type)) return false
    if (field?.message === undefined || level === maxLevels) {
      reader.skip(type, number)
      continue
    }
    const length = reader.uint32()
    if (!fit(field.message, reader, reader.pos + length, level + 1)) return false
  }
  return true
}

function wireFields(desc: DescMessage): ReadonlyMap<number, WireField> {
  const known = fieldsOf.get(desc)
  if (known !== undefined) return known
  const made = new Map(desc.fields.map((field) => [field.number, wireField(field)]))
  fieldsOf.set(desc, made)
  return made
}

function wireField(field: DescField): WireField {
  switch (field.fieldKind) {
    case 'scalar':
      return { types: [wireType(field.scalar)], message: undefined }
    case 'enum':
      return { types: [WireType.Varint], message: undefined }
    case 'map':
      return { types: [WireType.LengthDelimited], message: undefined }
    case 'message':
      return ofMessage(field.message, field.delimitedEncoding)
    case 'list':
      if (field.listKind === 'message') return ofMessage(field.message, field.delimitedEncoding)
      return ofList(field.listKind === 'enum' ? WireType.Varint : wireType(field.scalar))
  }
}

function ofMessage(message: DescMessage, delimited: boolean): WireField {
  return delimited
    ? { types: [WireType.StartGroup], message: undefined }
    : { types: [WireType.LengthDelimited], message }
}

/** Numbers come packed or one by one, whatever the proto says. */
function ofList(type: WireType): WireField {
  const types = type === WireType.LengthDelimited ? [type] : [type, WireType.LengthDelimited]
  return { types, message: undefined }
}

function wireType(scalar: ScalarType): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32
    default:
      return WireType.Varint
  }
}
