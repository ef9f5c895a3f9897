import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import {
  create,
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
  setExtension,
} from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { http } from '../../src/gen/google/api/annotations_pb.ts'
import { HttpRuleSchema } from '../../src/gen/google/api/http_pb.ts'

const root = join(import.meta.dirname, '../..')

/** The protos under test/rest/protos, compiled by buf; nothing is generated from them. */
export function testProtos(): FileRegistry {
  const args = ['build', 'test/rest/protos', '--as-file-descriptor-set', '-o', '-']
  const image = execFileSync(join(root, 'node_modules/.bin/buf'), args, { cwd: root })
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image))
}

export function messageIn(registry: FileRegistry, name: string): DescMessage {
  const message = registry.getMessage(name)
  if (message === undefined) throw new Error(`there is no message ${name}`)
  return message
}

export function serviceIn(registry: FileRegistry, name: string): DescService {
  const service = registry.getService(name)
  if (service === undefined) throw new Error(`there is no service ${name}`)
  return service
}

/** A field in the words of messages.json. */
export interface FieldShape {
  name: string
  number: number
  /** A scalar, or the full name of a message or enum. */
  type?: string
  repeated?: boolean
  optional?: boolean
  oneof?: string
  map?: [key: string, value: string]
}

export interface MethodShape {
  name: string
  /** Full name of the message that it takes and gives. */
  message: string
  httpMethod: string
  path: string
  body?: string
}

export interface Shapes {
  messages: Record<string, FieldShape[]>
  enums?: Record<string, Record<string, number>>
}

const dependencies = [
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]

/** The service cases.v1.Cases with these methods, whose messages are those of `shapes`. */
export function describe(shapes: Shapes, methods: readonly MethodShape[]): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: 'cases/v1/cases.proto',
    package: 'cases.v1',
    syntax: 'proto3',
    dependency: dependencies.map(({ proto }) => proto.name),
    // Side by side, under names without dots: JSON knows nothing of nesting.
    messageType: Object.entries(shapes.messages).map(([name, fields]) =>
      message(name, fields, shapes),
    ),
    enumType: Object.entries(shapes.enums ?? {}).map(([name, values]) => ({
      name: flat(name),
      value: Object.entries(values).map(([name, number]) => ({ name, number })),
    })),
    service: [{ name: 'Cases', method: methods.map(method) }],
  })
  const registry = createFileRegistry(file, (name) =>
    dependencies.find(({ proto }) => proto.name === name),
  )
  return serviceIn(registry, 'cases.v1.Cases')
}

function flat(name: string): string {
  return name.replaceAll('.', '_')
}

function message(name: string, shapes: readonly FieldShape[], all: Shapes) {
  const optional = shapes.filter((shape) => shape.optional).map((shape) => `_${shape.name}`)
  const oneofs = [...new Set(shapes.flatMap(({ oneof }) => oneof ?? [])), ...optional]
  return {
    name: flat(name),
    oneofDecl: oneofs.map((oneof) => ({ name: oneof })),
    field: shapes.map((shape) => field(name, shape, all, oneofs)),
    nestedType: shapes.flatMap(({ name: field, map }) => (map ? [mapEntry(field, map, all)] : [])),
  }
}

function field(owner: string, shape: FieldShape, all: Shapes, oneofs: readonly string[]) {
  const { name, number, type = '', repeated, optional, oneof, map } = shape
  const oneofIndex = oneofs.indexOf(oneof ?? `_${name}`)
  return {
    name,
    number,
    jsonName: name.replace(/(?<=[^_])_(.)/g, (_, next: string) => next.toUpperCase()),
    label: repeated || map ? Label.REPEATED : Label.OPTIONAL,
    ...(map
      ? { type: Type.MESSAGE, typeName: `.cases.v1.${flat(owner)}.${entryName(name)}` }
      : typeOf(type, all)),
    ...(oneofIndex >= 0 && { oneofIndex }),
    ...(optional && { proto3Optional: true }),
  }
}

function entryName(name: string): string {
  return `${name.replace(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase())}Entry`
}

function mapEntry(name: string, [key, value]: [string, string], all: Shapes) {
  return {
    name: entryName(name),
    options: { mapEntry: true },
    field: [
      { name: 'key', jsonName: 'key', number: 1, label: Label.OPTIONAL, ...typeOf(key, all) },
      { name: 'value', jsonName: 'value', number: 2, label: Label.OPTIONAL, ...typeOf(value, all) },
    ],
  }
}

function typeOf(type: string, { enums = {}, messages }: Shapes) {
  const scalar = Type[type.toUpperCase() as keyof typeof Type]
  if (scalar !== undefined) return { type: scalar }
  const own = type in enums || type in messages
  const typeName = own ? `.cases.v1.${flat(type)}` : `.${type}`
  return { type: type in enums ? Type.ENUM : Type.MESSAGE, typeName }
}

function method({ name, message, httpMethod, path, body = '' }: MethodShape) {
  const options = create(MethodOptionsSchema)
  const pattern = { case: 'custom', value: { kind: httpMethod, path } } as const
  setExtension(options, http, create(HttpRuleSchema, { pattern, body }))
  const type = `.cases.v1.${flat(message)}`
  return { name, inputType: type, outputType: type, options }
}
