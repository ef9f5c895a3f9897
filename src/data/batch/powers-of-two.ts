const maxPart = 128

/**
 * Splits rows into parts, each as large as a power of two, so that few texts of statements are
 * prepared for them.
 */
export function* powersOfTwo<Row>(rows: readonly Row[]): Generator<readonly Row[]> {
  for (let from = 0; from < rows.length;) {
    const size = 2 ** Math.floor(Math.log2(Math.min(rows.length - from, maxPart)))
    yield rows.slice(from, from + size)
    from += size
  }
}
