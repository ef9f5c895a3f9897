import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { InstrumentationScope } from '@opentelemetry/core'
import {
  type IExporterMetricsHelper,
  type ISerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { grpcOptions, httpOptions } from '../../otlp/options.ts'
import type { OtlpTarget } from '../../otlp/target.ts'
import type { Ended, RecordedSpan } from '../span/recorded-span.ts'
import { writeAttributes } from '../span/span-part.ts'
import type { Backlog } from './export-queue.ts'
import { spanBytes } from '../span/span-bytes.ts'

/** Spans that are sent together. */
export interface OtlpBatch {
  /** Those that were written when they ended. */
  bytes: Uint8Array
  /** Those of the SDK. */
  others: ReadableSpan[]
  /** How many there are of both. */
  length: number
}

/**
 * Spans that wait for their export over OTLP. A recorded span is written when it comes, so that only
 * its bytes wait; `convert` is given the few that have to become spans of the SDK, and adds these.
 */
export function otlpBacklog(
  maxSize: number,
  convert: (span: RecordedSpan) => void,
): Backlog<Ended, OtlpBatch> {
  const writer = spanBytes()
  const full: OtlpBatch[] = []
  let others: ReadableSpan[] = []
  let length = 0

  function close(): OtlpBatch {
    const batch = { bytes: writer.take(), others, length }
    others = []
    length = 0
    return batch
  }

  return {
    size: () => full.length * maxSize + length,
    add(span) {
      if (!('head' in span)) others.push(span)
      else if (!writer.write(span)) return convert(span)
      length += 1
      if (length === maxSize) full.push(close())
    },
    take: () => full.shift() ?? close(),
  }
}

/** The transport of OpenTelemetry's exporters, with its headers and retries. Throws where a PEM file is missing. */
export async function otlpExporter(
  target: OtlpTarget,
  resource: Resource,
  scope: InstrumentationScope,
) {
  const serializer = batchSerializer(resource, scope)
  const counter: IExporterMetricsHelper<OtlpBatch> = {
    name: 'span',
    countItems: ({ length }) => length,
  }
  if (target.protocol === 'grpc') {
    const { convertLegacyOtlpGrpcOptions: converted, createOtlpGrpcExportDelegate: create } =
      await import('@opentelemetry/otlp-grpc-exporter-base')
    const options = converted(await grpcOptions(target), 'TRACES')
    const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
    const component = 'otlp_grpc_span_exporter'
    return create(options, serializer, component, counter, undefined, 'TraceExportService', path)
  }
  const { convertLegacyHttpOptions: converted, createOtlpHttpExportDelegate: create } =
    await import('@opentelemetry/otlp-exporter-base/node-http')
  const type = { 'Content-Type': 'application/x-protobuf' }
  const options = converted(httpOptions(target), 'TRACES', 'v1/traces', type)
  return create(options, serializer, 'otlp_http_span_exporter', counter, undefined)
}

// Numbers of fields in opentelemetry/proto/trace/v1/trace.proto and what it imports.
const request = { resourceSpans: 1 } as const
const resourceSpans = { resource: 1, scopeSpans: 2 } as const
const scopeSpans = { scope: 1 } as const

/** Puts resource and scope, written once, before the spans of a batch. */
function batchSerializer(
  { attributes }: Resource,
  { name, version }: InstrumentationScope,
): ISerializer<OtlpBatch, unknown> {
  const resource = new BinaryWriter().tag(resourceSpans.resource, WireType.LengthDelimited).fork()
  writeAttributes(resource, 1, attributes)
  const before = resource.join().finish()
  const scope = new BinaryWriter().tag(scopeSpans.scope, WireType.LengthDelimited).fork()
  scope.tag(1, WireType.LengthDelimited).string(name)
  if (version) scope.tag(2, WireType.LengthDelimited).string(version)
  const inside = scope.join().finish()

  function head(bytes: Uint8Array): Uint8Array {
    const inner = inside.length + bytes.length
    const spans = new BinaryWriter().tag(resourceSpans.scopeSpans, WireType.LengthDelimited)
    const opening = spans.uint32(inner).finish()
    const outer = before.length + opening.length + inner
    const all = new BinaryWriter().tag(request.resourceSpans, WireType.LengthDelimited)
    return Buffer.concat([all.uint32(outer).finish(), before, opening, inside])
  }

  return {
    serializeRequest({ bytes, others }) {
      // Messages that are joined are one message with the lists of both.
      const further = others.length > 0 && ProtobufTraceSerializer.serializeRequest(others)
      const own = bytes.length > 0 ? [head(bytes), bytes] : []
      return Buffer.concat([...own, ...(further ? [further] : [])])
    },
    deserializeResponse: (bytes) => ProtobufTraceSerializer.deserializeResponse(bytes),
  }
}
