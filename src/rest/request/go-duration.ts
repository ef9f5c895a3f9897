import { endOfDigits } from '../../call/message/number-text.ts'

const second = 1_000_000_000n
const units: Record<string, bigint> = {
  ns: 1n,
  us: 1000n,
  // Unicode has two characters for micro; Go accepts both.
  '\u00b5s': 1000n,
  '\u03bcs': 1000n,
  ms: 1_000_000n,
  s: second,
  m: 60n * second,
  h: 3600n * second,
}

// More than any duration needs. A limit, since BigInt's cost grows with the square of the digits.
const maxLength = 64

/**
 * Reads a duration as Go's time.ParseDuration, such as `1h30m` or `-1.5s`, in nanoseconds;
 * undefined if it is none.
 */
export function goDuration(text: string): bigint | undefined {
  if (text.length > maxLength) return undefined
  const signed = text[0] === '-' || text[0] === '+'
  let remaining = signed ? text.slice(1) : text
  if (remaining === '0') return 0n
  if (remaining === '') return undefined
  let total = 0n
  while (remaining !== '') {
    const part = firstPart(remaining)
    if (part === undefined) return undefined
    total += part.nanos
    remaining = remaining.slice(part.length)
  }
  return text[0] === '-' ? -total : total
}

/** Reads the number and unit at the beginning of a text; `length` is how much it has read. */
function firstPart(text: string): { nanos: bigint; length: number } | undefined {
  const whole = text.slice(0, endOfDigits(text, 0))
  const dot = text[whole.length] === '.' ? 1 : 0
  const numberEnd = dot ? endOfDigits(text, whole.length + 1) : whole.length
  const fraction = text.slice(whole.length + dot, numberEnd)
  if (whole === '' && fraction === '') return undefined
  const name = [text.slice(numberEnd, numberEnd + 2), text[numberEnd] ?? ''].find((each) =>
    Object.hasOwn(units, each),
  )
  const unit = units[name ?? '']
  if (name === undefined || unit === undefined) return undefined
  const part = (BigInt(fraction || '0') * unit) / 10n ** BigInt(fraction.length)
  return { nanos: BigInt(whole || '0') * unit + part, length: numberEnd + name.length }
}
