interface Attachment<Key extends object, Value> {
  of: (key: Key) => Value | undefined
  attach: (key: Key, value: Value) => void
  detach: (key: Key) => void
}

/**
 * Keeps a value with each of some short-lived objects, as a WeakMap does, but as a property of the
 * object. V8's collector of young objects treats the values of a WeakMap that has grown old as in use,
 * so all that a request had would be copied, and kept until the next full collection.
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
    // Not deleted, which would make its object a slow one.
    detach(key) {
      const holder: Holder = key
      holder[symbol] = undefined
    },
  }
}
