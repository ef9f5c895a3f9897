/** One value for each of many objects. `of` returns undefined for an object without a value. */
interface Attachment<Key extends object, Value> {
  of: (key: Key) => Value | undefined
  attach: (key: Key, value: Value) => void
  detach: (key: Key) => void
}

/**
 * Keeps a value with each of many short-lived objects, as a WeakMap does, but as a property of the
 * object, named by a symbol with this description. V8's collector of young objects treats the values of
 * an old WeakMap as in use, so all that belongs to a request would be copied, and kept until the next full
 * collection (ADR 32).
 */
export function attachment<Key extends object, Value>(description: string): Attachment<Key, Value> {
  const symbol = Symbol(description)
  type Holder = Key & { [symbol]?: Value | undefined }
  return {
    of: (key) => (key as Holder)[symbol],
    attach(key, value) {
      const holder: Holder = key
      holder[symbol] = value
    },
    // `delete` would turn the object into a slow dictionary.
    detach(key) {
      const holder: Holder = key
      holder[symbol] = undefined
    },
  }
}
