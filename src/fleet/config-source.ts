/** Where a document of settings is kept. */
export interface ConfigSource {
  /** file, etcd, consul or apollo. */
  kind: string
  /** The document's name there. */
  key: string
  /**
   * Tells the text of the document, or undefined where there is none: once when it is first known, then
   * after each change, until the signal aborts. Throws when the source is lost.
   */
  follow(signal: AbortSignal, told: (text: string | undefined) => void): Promise<unknown>
  /** Closes the connections to the source. */
  close(): void
}

/** The document of a source as it is. Throws where the source does not tell it within `timeoutMs`. */
export async function documentOf(
  source: Pick<ConfigSource, 'follow'>,
  timeoutMs: number,
): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
  const enough = new AbortController()
  const timer = setTimeout(() => reject(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
  const following = source.follow(enough.signal, resolve)
  following.catch(reject)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    enough.abort()
    await following.catch(() => undefined)
  }
}
