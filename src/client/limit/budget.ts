/** How much of a token a success gives back: at most one further try for ten calls. */
const perSuccess = 0.1

/** Bounds the share of further tries, so that an outage does not multiply the load; made by `budget`. */
export type Budget = ReturnType<typeof budget>

/** A bucket with `size` tokens. It begins full. */
export function budget(size: number) {
  let tokens = size
  return {
    succeeded(): void {
      if (tokens < size) tokens = Math.min(size, tokens + perSuccess)
    },
    /** Takes a token, and leaves `kept` of them; false where there are not as many. */
    take(kept = 0): boolean {
      if (tokens - kept < 1) return false
      tokens -= 1
      return true
    },
    /** Tokens that are left. */
    get tokens() {
      return tokens
    },
  }
}
