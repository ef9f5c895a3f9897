/** The value below which this part of the sorted numbers lies. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** The median with the quartiles behind it, each by `print`. */
export function quartiles(
  values: readonly number[],
  print: (value: number) => string | number,
): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => print(quantile(values, part)))
  return `${middle} (${low}–${high})`
}
