// The comparison costs the product of the lengths, and a client may send any length.
const maxLength = 64

/** The candidate that `word` is probably a misspelling of; undefined where none is near enough. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > maxLength) return undefined
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: distance(bare(word), bare(candidate)) }))
    .sort((a, b) => a.edits - b.edits)
  const [best] = ranked
  return best && best.edits <= tolerance(best.candidate) ? best.candidate : undefined
}

/** Without case and separators: maxBodyBytes, max-body-bytes and max_body_bytes are one word. */
function bare(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, '')
}

/** How many edits are near. Two allow a transposition (grcp), but would make any words of three letters near. */
function tolerance(word: string): number {
  return word.length < 4 ? 1 : Math.max(2, Math.floor(word.length / 3))
}

/** Levenshtein's distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1]
    for (const [j, other] of Array.from(b).entries()) {
      const [above = 0, diagonal = 0, left = 0] = [row[j + 1], row[j], next[j]]
      next.push(Math.min(above + 1, left + 1, diagonal + (letter === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? a.length
}
