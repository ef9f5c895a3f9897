import { BinaryReader } from '@bufbuild/protobuf/wire'
import type { SeenSpan } from './spans.ts'

// The wire format of opentelemetry.proto.collector.trace.v1 and …logs.v1, read by field numbers, so
// that what the exporters write is judged by something other than their own code. Source of the
// numbers: github.com/open-telemetry/opentelemetry-proto.

type Value = string | number | bigint | boolean | Value[] | Attributes | undefined
export interface Attributes {
  [key: string]: Value
}

export interface ReceivedSpan extends SeenSpan {
  resource: Attributes
  scope: string
}

export interface ReceivedLog {
  resource: Attributes
  severity: string
  body: Value
  attributes: Attributes
  traceId: string
  spanId: string
}

/** Calls `field` for each field of a message; what that does not read is skipped. */
function fields(bytes: Uint8Array, field: (no: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag()
    const before = reader.pos
    if (!field(no, reader)) {
      reader.pos = before
      reader.skip(type, no)
    }
  }
}

/** Reads one message field by its number. */
function parts(bytes: Uint8Array, no: number): Uint8Array[] {
  const found: Uint8Array[] = []
  fields(bytes, (its, reader) => its === no && found.push(reader.bytes()) > 0)
  return found
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function anyValue(bytes: Uint8Array): Value {
  let value: Value
  fields(bytes, (no, reader) => {
    if (no === 1) value = reader.string()
    else if (no === 2) value = reader.bool()
    else if (no === 3) value = Number(reader.int64())
    else if (no === 4) value = reader.double()
    else if (no === 5) value = parts(reader.bytes(), 1).map(anyValue)
    else if (no === 6) value = attributesOf(reader.bytes(), 1)
    else return false
    return true
  })
  return value
}

/** Attributes stand as repeated key-value pairs in the field `no` of a message. */
function attributesOf(bytes: Uint8Array, no: number): Attributes {
  const pairs = parts(bytes, no).map((pair): [string, Value] => {
    const [key = new Uint8Array()] = parts(pair, 1)
    const [value = new Uint8Array()] = parts(pair, 2)
    return [Buffer.from(key).toString(), anyValue(value)]
  })
  return Object.fromEntries(pairs)
}

const kinds = ['INTERNAL', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'] as const

function span(bytes: Uint8Array, resource: Attributes, scope: string): ReceivedSpan {
  const read: ReceivedSpan = {
    resource,
    scope,
    traceId: '',
    id: '',
    parent: '',
    name: '',
    kind: 'INTERNAL',
    attributes: attributesOf(bytes, 9),
    events: parts(bytes, 11).map((event) => ({
      name: Buffer.from(parts(event, 2)[0] ?? '').toString(),
      attributes: attributesOf(event, 3),
    })),
    failed: undefined,
    start: 0n,
    end: 0n,
  }
  fields(bytes, (no, reader) => {
    if (no === 1) read.traceId = hex(reader.bytes())
    else if (no === 2) read.id = hex(reader.bytes())
    else if (no === 4) read.parent = hex(reader.bytes())
    else if (no === 5) read.name = reader.string()
    else if (no === 6) read.kind = kinds[reader.int32()] ?? 'INTERNAL'
    else if (no === 7) read.start = BigInt(reader.fixed64())
    else if (no === 8) read.end = BigInt(reader.fixed64())
    else if (no === 15) read.failed = statusError(reader.bytes())
    else return false
    return true
  })
  return read
}

function statusError(bytes: Uint8Array): string | undefined {
  let message = ''
  let code = 0
  fields(bytes, (no, reader) => {
    if (no === 2) message = reader.string()
    else if (no === 3) code = reader.int32()
    else return false
    return true
  })
  return code === 2 ? message : undefined
}

/** Reads an ExportTraceServiceRequest. */
export function readSpans(request: Uint8Array): ReceivedSpan[] {
  return scoped(request).flatMap(({ resource, scope, bytes }) =>
    parts(bytes, 2).map((each) => span(each, resource, scope)),
  )
}

/** Reads an ExportLogsServiceRequest. */
export function readLogs(request: Uint8Array): ReceivedLog[] {
  return scoped(request).flatMap(({ resource, bytes }) =>
    parts(bytes, 2).map((each) => logRecord(each, resource)),
  )
}

/** Both requests are lists of resources, each with lists of scopes. */
function scoped(request: Uint8Array) {
  return parts(request, 1).flatMap((ofResource) => {
    const [resourceBytes = new Uint8Array()] = parts(ofResource, 1)
    const resource = attributesOf(resourceBytes, 1)
    return parts(ofResource, 2).map((bytes) => {
      const [scopeBytes = new Uint8Array()] = parts(bytes, 1)
      const scope = Buffer.from(parts(scopeBytes, 1)[0] ?? '').toString()
      return { resource, scope, bytes }
    })
  })
}

function logRecord(bytes: Uint8Array, resource: Attributes): ReceivedLog {
  const read: ReceivedLog = {
    resource,
    severity: '',
    body: undefined,
    attributes: attributesOf(bytes, 6),
    traceId: '',
    spanId: '',
  }
  fields(bytes, (no, reader) => {
    if (no === 3) read.severity = reader.string()
    else if (no === 5) read.body = anyValue(reader.bytes())
    else if (no === 9) read.traceId = hex(reader.bytes())
    else if (no === 10) read.spanId = hex(reader.bytes())
    else return false
    return true
  })
  return read
}
