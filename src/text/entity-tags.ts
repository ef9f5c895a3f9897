// Of RFC 9110, 8.8.3; what is not ASCII arrives as one character for each byte.
const oneTag = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/y
const separator = /[ \t]*(?:,[ \t]*)*/y

/**
 * The entity tags of a list as If-Match and If-None-Match have it, each with its quotes and its `W/`;
 * undefined for what is no such list, and for `*`.
 */
export function entityTags(list: string): string[] | undefined {
  const tags: string[] = []
  for (let at = endOf(separator, list, 0); at < list.length;) {
    const end = endOf(oneTag, list, at)
    const next = endOf(separator, list, end)
    const apart = next === list.length || list.slice(end, next).includes(',')
    if (end === at || !apart) return undefined
    tags.push(list.slice(at, end))
    at = next
  }
  return tags.length > 0 ? tags : undefined
}

/** Whether a text is one entity tag. */
export function isEntityTag(text: string): boolean {
  return text !== '' && endOf(oneTag, text, 0) === text.length
}

/** Where a match of `pattern` at `from` ends; `from` itself where there is none. */
function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : from
}
