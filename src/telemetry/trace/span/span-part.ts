import type { Attributes, AttributeValue, SpanKind } from '@opentelemetry/api'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'

/** Attributes that many spans have in common, and the bytes that they are in OTLP's `Span`. */
export interface SpanPart {
  readonly attributes: Attributes
  readonly bytes: Uint8Array
}

/** Name, kind and constant attributes of a span. */
export interface SpanHead extends SpanPart {
  readonly name: string
  readonly kind: SpanKind
}

// Numbers of fields in opentelemetry/proto/trace/v1/trace.proto and …/common/v1/common.proto.
const span = { state: 3, name: 5, kind: 6, attributes: 9 } as const
const keyValue = { key: 1, value: 2 } as const
const anyValue = { string: 1, bool: 2, int: 3, double: 4, array: 5 } as const
const arrayValue = { values: 1 } as const

/** A constant part; to be made once for many spans. */
export function spanPart(attributes: Attributes): SpanPart {
  const writer = new BinaryWriter()
  writeAttributes(writer, span.attributes, attributes)
  return { attributes, bytes: writer.finish() }
}

/** The head of all spans of one kind and name; to be made once for many spans. */
export function spanHead(name: string, kind: SpanKind, attributes: Attributes = {}): SpanHead {
  const writer = new BinaryWriter()
  writer.tag(span.name, WireType.LengthDelimited).string(name)
  // OTLP has 0 for a kind that is not specified.
  writer.tag(span.kind, WireType.Varint).int32(kind + 1)
  writeAttributes(writer, span.attributes, attributes)
  return { name, kind, attributes, bytes: writer.finish() }
}

/** A `tracestate` of W3C Trace Context. */
export function stateBytes(state: string): Uint8Array {
  return new BinaryWriter().tag(span.state, WireType.LengthDelimited).string(state).finish()
}

/** Writes attributes as the field `no` of a message. Their values are texts, numbers, booleans, or arrays. */
export function writeAttributes(writer: BinaryWriter, no: number, attributes: Attributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    writer.tag(no, WireType.LengthDelimited).fork()
    writer.raw(keyBytes(key))
    writeValue(writer.tag(keyValue.value, WireType.LengthDelimited), value)
    writer.join()
  }
}

/** The key of an attribute, as it begins a `KeyValue`. */
export function keyBytes(key: string): Uint8Array {
  return new BinaryWriter().tag(keyValue.key, WireType.LengthDelimited).string(key).finish()
}

function writeValue(writer: BinaryWriter, value: AttributeValue): void {
  writer.fork()
  if (typeof value === 'string') writer.tag(anyValue.string, WireType.LengthDelimited).string(value)
  else if (typeof value === 'boolean') writer.tag(anyValue.bool, WireType.Varint).bool(value)
  else if (Number.isSafeInteger(value))
    writer.tag(anyValue.int, WireType.Varint).int64(Number(value))
  else if (typeof value === 'number') writer.tag(anyValue.double, WireType.Bit64).double(value)
  else if (Array.isArray(value)) {
    writer.tag(anyValue.array, WireType.LengthDelimited).fork()
    for (const each of value as AttributeValue[])
      writeValue(writer.tag(arrayValue.values, WireType.LengthDelimited), each)
    writer.join()
  }
  writer.join()
}
