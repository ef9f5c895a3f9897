/** A deletion under way: the number that each of its keys had when it began. */
type Deletion = ReadonlyMap<string, number | undefined>

/**
 * Remembers the keys that are to be deleted. Past `maxKeys` it forgets which: then every key is one of
 * them until all are deleted.
 */
export function staleKeys(maxKeys: number) {
  // Each with the number of its last write: a deletion from before that says nothing about it. Those of
  // writes after the forgotten ones stay, since a deletion of all keys may have passed them already.
  const numbers = new Map<string, number>()
  let count = 0
  /** The number of the last write whose keys are not known. */
  let unknown: number | undefined

  function forget(): void {
    unknown = count
    numbers.clear()
  }

  return {
    has: (key: string) => unknown !== undefined || numbers.has(key),
    all: () => [...numbers.keys()],
    /** Undefined where the keys are known. */
    unknown: () => unknown,
    add(keys: readonly string[]): void {
      count += 1
      for (const key of keys) numbers.set(key, count)
      if (numbers.size > maxKeys) forget()
    },
    /** Has every key be one of them. */
    addAll(): void {
      count += 1
      forget()
    },
    begin: (keys: readonly string[]): Deletion =>
      new Map(keys.map((key) => [key, numbers.get(key)])),
    deleted(deletion: Deletion): void {
      for (const [key, number] of deletion) if (numbers.get(key) === number) numbers.delete(key)
    },
    /** All keys were deleted, in a deletion that began when `unknown` was this. */
    deletedAll(began: number | undefined): void {
      if (unknown === began) unknown = undefined
    },
  }
}
