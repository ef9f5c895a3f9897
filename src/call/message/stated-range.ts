import { type DescField, getExtension, hasExtension } from '@bufbuild/protobuf'
import { field as fieldRules } from '../../gen/buf/validate/validate_pb.ts'
import { type IntegerType, rangeOf } from './integer-type.ts'

/**
 * The minimum and the maximum that a message about an integer names: those of its type, narrowed by
 * the buf.validate rules that the field, or each element of its list, has to be above or below a
 * number.
 */
export function statedRange(type: IntegerType, field?: DescField): readonly [bigint, bigint] {
  const [min, max] = rangeOf(type)
  const { greaterThan, lessThan } = boundsOf(field)
  const from = outermost(greaterThan, 1n)
  const to = outermost(lessThan, -1n)
  return [from !== undefined && from > min ? from : min, to !== undefined && to < max ? to : max]
}

interface Bound {
  case?: 'gt' | 'gte' | 'lt' | 'lte' | undefined
  value?: number | bigint | undefined
}

interface Bounds {
  greaterThan?: Bound
  lessThan?: Bound
}

function boundsOf(field: DescField | undefined): Bounds {
  const options = field?.proto.options
  if (!options || !hasExtension(options, fieldRules)) return {}
  const { type } = getExtension(options, fieldRules)
  const own = type.case === 'repeated' ? type.value.items?.type : type
  return own?.case === 'int32' || own?.case === 'int64' ? own.value : {}
}

/** The outermost integer within a bound, `step` inside of one that excludes its value. */
function outermost({ case: kind, value }: Bound = {}, step: bigint): bigint | undefined {
  if (value === undefined) return undefined
  return BigInt(value) + (kind === 'gt' || kind === 'lt' ? step : 0n)
}
