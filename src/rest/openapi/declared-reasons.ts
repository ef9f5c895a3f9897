import { type DescEnum, type DescExtension, type DescMethod, getOption } from '@bufbuild/protobuf'
import type { GenExtension } from '@bufbuild/protobuf/codegenv2'
import type { MethodOptions } from '@bufbuild/protobuf/wkt'
import { status } from '../../gen/api/errors/v1/error_reason_pb.ts'

/** A reason, with its HTTP status. */
export interface DeclaredReason {
  reason: string
  status: number
}

/**
 * The reasons that a method declares: the values of its options that are lists of an enum, in the files
 * that its own imports. Each noun may have an enum, and an option, of its own.
 */
export function declaredReasons(method: DescMethod): DeclaredReason[] {
  const { file } = method.parent
  const extensions = [file, ...file.dependencies].flatMap((each) => each.extensions)
  return extensions.flatMap((extension) => {
    if (!listsReasons(extension)) return []
    const { enum: reasons } = extension
    return getOption(method, extension).map((number) => reasonOf(reasons, number))
  })
}

type ListOfReasons = GenExtension<MethodOptions, number[]> & { enum: DescEnum }

function listsReasons(extension: DescExtension): extension is ListOfReasons {
  return (
    extension.extendee.typeName === 'google.protobuf.MethodOptions' &&
    extension.fieldKind === 'list' &&
    extension.listKind === 'enum'
  )
}

function reasonOf(reasons: DescEnum, number: number): DeclaredReason {
  const value = reasons.value[number]
  return { reason: value?.name ?? '', status: value === undefined ? 500 : getOption(value, status) }
}
