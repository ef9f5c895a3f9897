/** Cents of an amount; undefined if it is not in whole cents. */
export function toCents(amount: number): bigint | undefined {
  const cents = Math.round(amount * 100)
  // The double that is the nearest to the cents, which is how any reader of decimals gives it.
  return cents / 100 === amount ? BigInt(cents) : undefined
}

/** The amount of cents, exact up to 2^53. */
export function fromCents(cents: bigint): number {
  return Number(cents) / 100
}
