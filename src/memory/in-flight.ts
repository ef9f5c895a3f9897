/** A place in the list, to be given back to `remove`. */
export interface Entry<T> {
  readonly value: T
}

interface Link<T> extends Entry<T> {
  earlier: Link<T> | undefined
  later: Link<T> | undefined
  present: boolean
}

/** The list that `inFlight` makes. */
export type InFlight<T> = ReturnType<typeof inFlight<T>>

/**
 * A list of the values under way, in order of arrival, linked in both directions. A Set or a Map would not
 * do: V8 gives it a new table after a few entries have come and gone, and each old table refers to its
 * successor and to its entries. Once one of them is in the old space, no collection of young objects frees
 * any value that was ever entered (ADR 32).
 */
export function inFlight<T>() {
  let oldest: Link<T> | undefined
  let newest: Link<T> | undefined
  let size = 0

  return {
    add(value: T): Entry<T> {
      const link: Link<T> = { value, earlier: newest, later: undefined, present: true }
      if (newest) newest.later = link
      else oldest = link
      newest = link
      size += 1
      return link
    },
    /** Removes an entry; false if it is not in the list. */
    remove(entry: Entry<T>): boolean {
      const link = entry as Link<T>
      if (!link.present) return false
      const { earlier, later } = link
      if (earlier) earlier.later = later
      else oldest = later
      if (later) later.earlier = earlier
      else newest = earlier
      // A removed link that lives on must not keep its neighbours.
      link.earlier = link.later = undefined
      link.present = false
      size -= 1
      return true
    },
    has: (entry: Entry<T>): boolean => (entry as Link<T>).present,
    oldest: (): Entry<T> | undefined => oldest,
    newest: (): Entry<T> | undefined => newest,
    /** A copy of the list. */
    all(): T[] {
      const values: T[] = []
      for (let link = oldest; link; link = link.later) values.push(link.value)
      return values
    },
    get size() {
      return size
    },
  }
}
