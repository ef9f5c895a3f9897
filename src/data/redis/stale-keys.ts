/** A deletion under way, with the number that each of its keys had when it began. */
interface Deletion {
  readonly keys: ReadonlyMap<string, number | undefined>
  /** The number of the last one that had begun. */
  readonly count: number
}

/**
 * Remembers the keys that are to be deleted. Past `maxKeys` it remembers none: then every key is one of
 * them until all are deleted.
 */
export function staleKeys(maxKeys: number) {
  // Each with the number of its last write: a deletion from before that says nothing about it.
  const numbers = new Map<string, number>()
  let count = 0
  /** The number of the last write whose keys are not known. */
  let unknown: number | undefined

  return {
    has: (key: string) => unknown !== undefined || numbers.has(key),
    all: () => [...numbers.keys()],
    /** Undefined where the keys are known. */
    unknown: () => unknown,
    add(keys: readonly string[]): void {
      count += 1
      for (const key of keys) numbers.set(key, count)
      if (numbers.size > maxKeys) unknown = count
      if (unknown !== undefined) numbers.clear()
    },
    begin(keys: readonly string[]): Deletion {
      return { keys: new Map(keys.map((key) => [key, numbers.get(key)])), count }
    },
    deleted({ keys }: Deletion): void {
      for (const [key, number] of keys) if (numbers.get(key) === number) numbers.delete(key)
    },
    failed({ count: began }: Deletion): void {
      if (unknown !== undefined) unknown = Math.max(unknown, began)
    },
    /** All keys were deleted, in a deletion that began when `unknown` was this. */
    deletedAll(began: number | undefined): void {
      if (unknown === began) unknown = undefined
    },
  }
}
