export interface Entry<T> {
  readonly value: T
}

interface Link<T> extends Entry<T> {
  earlier: Link<T> | undefined
  later: Link<T> | undefined
  present: boolean
}

/**
 * Keeps what is under way, in order of arrival: a list, linked in both directions. Not a Set or a Map:
 * V8 makes a new table of theirs after every few entries that come and go, each old one refers to its
 * successor and to what it held, and once one of them is in the old space, no collection of young
 * objects frees anything that was ever entered.
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
    /** Takes it out; false if it is out already. */
    remove(entry: Entry<T>): boolean {
      const link = entry as Link<T>
      if (!link.present) return false
      const { earlier, later } = link
      if (earlier) earlier.later = later
      else oldest = later
      if (later) later.earlier = earlier
      else newest = earlier
      // A link that has grown old must not keep its neighbours.
      link.earlier = link.later = undefined
      link.present = false
      size -= 1
      return true
    },
    has: (entry: Entry<T>): boolean => (entry as Link<T>).present,
    oldest: (): Entry<T> | undefined => oldest,
    newest: (): Entry<T> | undefined => newest,
    /** In order of arrival, as it is now. */
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

/** A list that `inFlight` has made. */
export type InFlight<T> = ReturnType<typeof inFlight<T>>
