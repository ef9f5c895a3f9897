import type { DescEnum, DescMessage } from '@bufbuild/protobuf'
import type { createValidator } from '@bufbuild/protovalidate'
import type { Schema } from './scalar-schema.ts'

/** Requests and answers differ: answers have every field, requests leave out defaults. */
export type Side = 'request' | 'answer'

/** The facts that schemas are made from, beside the descriptors. */
export interface SchemaOptions {
  /** Descriptions by the full name of their subject. */
  comments: Readonly<Record<string, string>>
  /** Whether answers contain default values and null for unset messages. */
  emitDefaults: boolean
  validator: ReturnType<typeof createValidator>
  /** Full names of the services that other processes have. */
  remote?: ReadonlySet<string>
}

/** The schemas of one document. */
export interface SchemaSet {
  options: SchemaOptions
  /** The schemas of the messages and enums that were referred to, by their names. */
  components: Record<string, Schema>
  /** Notes that a message, with all that it holds, is used on a side. */
  note(desc: DescMessage, side: Side): void
  /** A reference to the schema of a message; the schema itself if it is a well-known type. */
  reference(desc: DescMessage, side: Side): Schema
  enumReference(desc: DescEnum): Schema
}

/** The description of a subject by its full name, and whether it is deprecated. */
export function described({ options: { comments } }: SchemaSet, name: string, deprecated: boolean) {
  const description = comments[name]
  return {
    ...(description !== undefined && { description }),
    ...(deprecated && { deprecated }),
  }
}
