import { type DescField, ScalarType } from '@bufbuild/protobuf'
import { statedRange } from './stated-range.ts'

/**
 * The rule for values of a scalar type, in the words of all ports, such as `must be a string`. The
 * field, where it is given, may narrow the range of an integer.
 */
export function scalarRule(type: ScalarType, field?: DescField): string {
  switch (type) {
    case ScalarType.STRING:
      return 'must be a string'
    case ScalarType.BOOL:
      return 'must be true or false'
    case ScalarType.BYTES:
      return 'must be base64, standard or URL-safe'
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return 'must be a number in range, NaN, Infinity or -Infinity'
    default: {
      const [min, max] = statedRange(type, field)
      return `must be an integer from ${min} to ${max}`
    }
  }
}
