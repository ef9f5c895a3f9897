import { create, createFileRegistry, setExtension } from '@bufbuild/protobuf'
import type { DescFile, DescMessage, DescService, JsonObject } from '@bufbuild/protobuf'
import { fromJson } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  MethodOptionsSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { http } from '../../src/gen/google/api/annotations_pb.ts'
import { HttpRuleSchema } from '../../src/gen/google/api/http_pb.ts'

const dependencies: DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]

const scalars: Record<string, Type> = {
  double: Type.DOUBLE,
  float: Type.FLOAT,
  int32: Type.INT32,
  int64: Type.INT64,
  uint32: Type.UINT32,
  uint64: Type.UINT64,
  sint32: Type.SINT32,
  sint64: Type.SINT64,
  fixed32: Type.FIXED32,
  fixed64: Type.FIXED64,
  sfixed32: Type.SFIXED32,
  sfixed64: Type.SFIXED64,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
}

/** A schema as it would stand in a proto file of package test.v1, without the file. */
export interface Schema {
  /** By name, `int32 count; repeated string tags; map<string, int64> sizes; optional string nick`. */
  messages: Record<string, string>
  /** With proto2, fields have presence and may have a default, `int32 count = 5`. */
  syntax?: 'proto2'
  /** By name, the names of the values. */
  enums?: Record<string, string[]>
  /** Of the one service Test: request, reply, and google.api.http in JSON. */
  methods: Record<string, [request: string, reply: string, rule: JsonObject]>
}

export interface Compiled {
  service: DescService
  message(name: string): DescMessage
}

/** Compiles a schema. A field `kind/int32 a` is in the oneof kind; numbers are given in order. */
export function compileSchema({ messages, enums = {}, methods, syntax }: Schema): Compiled {
  const file = create(FileDescriptorProtoSchema, {
    name: 'test/v1/test.proto',
    package: 'test.v1',
    syntax: syntax ?? 'proto3',
    dependency: dependencies.map(({ proto }) => proto.name),
    messageType: Object.entries(messages).map(([name, body]) => messageOf(name, body, enums)),
    enumType: Object.entries(enums).map(([name, values]) => ({
      name,
      value: values.map((value, number) => ({ name: value, number })),
    })),
    service: [{ name: 'Test', method: Object.entries(methods).map(methodOf) }],
  })
  const registry = createFileRegistry(file, (name) =>
    dependencies.find(({ proto }) => proto.name === name),
  )
  const service = registry.getService('test.v1.Test')
  if (service === undefined) throw new Error('the schema has no service')
  return {
    service,
    message(name) {
      const desc = registry.getMessage(`test.v1.${name}`)
      if (desc === undefined) throw new Error(`the schema has no message ${name}`)
      return desc
    },
  }
}

function methodOf([name, [request, reply, rule]]: [string, [string, string, JsonObject]]) {
  const options = create(MethodOptionsSchema)
  setExtension(options, http, fromJson(HttpRuleSchema, rule))
  return { name, inputType: typeName(request), outputType: typeName(reply), options }
}

function typeName(name: string): string {
  return name.includes('.') ? `.${name}` : `.test.v1.${name}`
}

function messageOf(name: string, body: string, enums: Record<string, string[]>) {
  const declarations = body.split(';').map((text) => text.trim())
  const maps: ReturnType<typeof mapEntry>[] = []
  const oneofs: string[] = []

  function oneofIndex(oneof: string): number {
    const at = oneofs.indexOf(oneof)
    return at === -1 ? oneofs.push(oneof) - 1 : at
  }

  function fieldOf(declaration: string, number: number) {
    const [, oneof, label, type = '', fieldName = '', defaultValue] =
      /^(?:(\w+)\/)?(?:(repeated|optional) )?(map<.+>|[\w.]+) (\w+)(?: = (\S+))?$/.exec(
        declaration,
      ) ?? []
    if (fieldName === '') throw new Error(`no field: ${declaration}`)
    const map = /^map<(\w+), ?([\w.]+)>$/.exec(type)
    const common = { name: fieldName, number: number + 1, jsonName: camelCase(fieldName) }
    if (map) {
      const entry = mapEntry(fieldName, map[1] ?? '', map[2] ?? '', enums)
      maps.push(entry)
      const typeName = `.test.v1.${name}.${entry.name}`
      return { ...common, type: Type.MESSAGE, typeName, label: Label.REPEATED }
    }
    return {
      ...common,
      ...typeOf(type, enums),
      label: label === 'repeated' ? Label.REPEATED : Label.OPTIONAL,
      ...(defaultValue !== undefined && { defaultValue }),
      ...(label === 'optional' && {
        proto3Optional: true,
        oneofIndex: oneofIndex(`_${fieldName}`),
      }),
      ...(oneof !== undefined && { oneofIndex: oneofIndex(oneof) }),
    }
  }

  // Synthetic oneofs come last.
  const field = declarations.filter((text) => text !== '').map(fieldOf)
  return { name, field, nestedType: maps, oneofDecl: oneofs.map((each) => ({ name: each })) }
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
}

function mapEntry(field: string, key: string, value: string, enums: Record<string, string[]>) {
  const name = `${field.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())}Entry`
  const label = Label.OPTIONAL
  return {
    name,
    options: { mapEntry: true },
    field: [
      { name: 'key', number: 1, jsonName: 'key', label, ...typeOf(key, enums) },
      { name: 'value', number: 2, jsonName: 'value', label, ...typeOf(value, enums) },
    ],
  }
}

function typeOf(type: string, enums: Record<string, string[]>) {
  const scalar = scalars[type]
  if (scalar !== undefined) return { type: scalar }
  const isEnum = type in enums || type === 'google.protobuf.NullValue'
  return { type: isEnum ? Type.ENUM : Type.MESSAGE, typeName: typeName(type) }
}
