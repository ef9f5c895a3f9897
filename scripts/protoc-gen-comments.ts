// A protoc plugin that writes the comments of proto/api into src/gen/comments.ts, by full name.
// protoc-gen-es leaves comments out of its descriptors, and the OpenAPI document needs them.
import type { AnyDesc, DescFile } from '@bufbuild/protobuf'
import { nestedTypes } from '@bufbuild/protobuf/reflect'
import { createEcmaScriptPlugin, getComments, runNodeJs } from '@bufbuild/protoplugin'

type Commented = Exclude<AnyDesc, DescFile>

function* commentsOf(file: DescFile): Generator<[name: string, text: string]> {
  for (const type of nestedTypes(file)) {
    yield* comment(type.typeName, type)
    for (const part of partsOf(type)) yield* comment(`${type.typeName}.${part.name}`, part)
  }
}

function partsOf(type: Commented): readonly (Commented & { name: string })[] {
  if (type.kind === 'message') return type.fields
  if (type.kind === 'service') return type.methods
  return type.kind === 'enum' ? type.values : []
}

function* comment(name: string, desc: Commented): Generator<[name: string, text: string]> {
  const { leading = '', trailing = '' } = getComments(desc)
  const text = [leading, trailing].map(unindented).filter(isForReaders).join('\n')
  if (text !== '') yield [name, text]
}

/** The text without the space that follows `//`. */
function unindented(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^ /, '').trimEnd())
    .join('\n')
    .trim()
}

function isForReaders(text: string): boolean {
  return text !== '' && !text.startsWith('buf:lint')
}

runNodeJs(
  createEcmaScriptPlugin({
    name: 'protoc-gen-comments',
    version: '1',
    generateTs(schema) {
      const api = schema.files.filter(({ proto }) => proto.package.startsWith('api.'))
      const texts = Object.fromEntries(api.flatMap((file) => [...commentsOf(file)]))
      const out = schema.generateFile('comments.ts')
      out.print('/** Comments of proto/api by the full name of their subject. */')
      out.print(
        'export const comments: Readonly<Record<string, string>> = ',
        JSON.stringify(texts, null, 2),
      )
    },
  }),
)
