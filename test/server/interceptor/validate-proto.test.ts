import type { DescExtension, DescField, DescFile } from '@bufbuild/protobuf'
import { nestedTypes } from '@bufbuild/protobuf/reflect'
import { file_buf_validate_validate as theirs } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js'
import { test } from 'tap'

import { file_buf_validate_validate as ours } from '../../../src/gen/buf/validate/validate_pb.ts'
import { file_conf_v1_rules as rules } from '../../../src/gen/conf/v1/rules_pb.ts'

/** What makes two declarations read the same bytes alike, by the full name of the field. */
function declarations(file: DescFile): Map<string, object> {
  const fields = [...nestedTypes(file)].flatMap<DescField | DescExtension>((type) =>
    type.kind === 'message' ? type.fields : type.kind === 'extension' ? [type] : [],
  )
  return new Map(
    fields.map((field) => {
      const { number, type, label, typeName, extendee } = field.proto
      const oneof = field.kind === 'field' ? field.oneof?.name : undefined
      return [field.toString(), { number, type, label, typeName, extendee, oneof }]
    }),
  )
}

test('our part of validate.proto declares what protovalidate reads', async (t) => {
  const known = declarations(theirs)
  const used = declarations(ours)
  for (const extension of ['field', 'predefined']) {
    t.ok(used.has(`extension buf.validate.${extension}`), `the extension ${extension} is declared`)
  }
  for (const [name, declaration] of used) {
    t.same(declaration, known.get(name), `${name} is protovalidate's`)
  }
})

test('the rules that our protos add have numbers that protovalidate leaves to its users', async (t) => {
  const messages = [...nestedTypes(theirs)].filter((type) => type.kind === 'message')
  for (const { extendee, number, name } of rules.extensions) {
    const free =
      messages.find(({ typeName }) => typeName === extendee.typeName)?.proto.extensionRange ?? []
    t.ok(
      free.some(({ start, end }) => start <= number && number < end),
      `${name} is ${number}`,
    )
  }
})
