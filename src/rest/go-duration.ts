import { create } from '@bufbuild/protobuf'
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt'

const nanosOf: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  // Go writes U+00B5 and reads U+03BC too.
  '\u00b5s': 1000n,
  '\u03bcs': 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}
const second = 1_000_000_000n
// As the JSON mapping allows: about 10,000 years.
const mostSeconds = 315_576_000_000n
const longest = 100
const part = /(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y

/**
 * Reads a duration as Go prints it, such as `1m30s` or `-1.5h`, which Kratos' clients put into
 * queries (encoding/form). undefined for any other text, for what is finer than a nanosecond, and
 * for what a Duration cannot hold.
 */
export function parseGoDuration(text: string): Duration | undefined {
  const negative = text.startsWith('-')
  const nanos = text.length > longest ? undefined : sumOf(text, /^[+-]/.test(text) ? 1 : 0)
  if (nanos === undefined || nanos > mostSeconds * second) return undefined
  const signed = negative ? -nanos : nanos
  return create(DurationSchema, { seconds: signed / second, nanos: Number(signed % second) })
}

function sumOf(text: string, start: number): bigint | undefined {
  if (text.slice(start) === '0') return 0n
  let sum = 0n
  let at = start
  do {
    part.lastIndex = at
    const [all = '', whole = '', fraction = '', unit = ''] = part.exec(text) ?? []
    const scale = 10n ** BigInt(fraction.length)
    const scaled = BigInt(whole + fraction) * (nanosOf[unit] ?? 0n)
    if (whole + fraction === '' || scaled % scale !== 0n) return undefined
    sum += scaled / scale
    at += all.length
  } while (at < text.length)
  return sum
}
