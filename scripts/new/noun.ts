import { nearestPlural } from './plural.ts'
import { Refusal } from './refusal.ts'
import { reservedIn } from './reserved.ts'

/** A name in the forms that languages have for it. */
export interface Name {
  /** `book-copy`: files, paths of URLs. */
  kebab: string
  /** `book_copy`: proto, SQL. */
  snake: string
  /** `bookCopy`: values. */
  camel: string
  /** `BookCopy`: types, services, messages. */
  pascal: string
  /** `BOOK_COPY`: reasons. */
  upper: string
  /** `book copy`: prose. */
  words: string
}

/** What a resource is called, one and many of it. */
export interface Noun extends Name {
  many: Name
  /** `a book`, `an author`. */
  a: string
}

const form = /^[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*$/
const longest = 32

/** The forms of a name that is given in words split by `-`. */
export function nameOf(kebab: string): Name {
  const words = kebab.split('-')
  const capitals = words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
  const pascal = capitals.join('')
  return {
    kebab,
    snake: words.join('_'),
    camel: pascal.slice(0, 1).toLowerCase() + pascal.slice(1),
    pascal,
    upper: words.join('_').toUpperCase(),
    words: words.join(' '),
  }
}

/** Reads the name of a resource, one of it, such as `book` or `book-copy`. Throws Refusal. */
export function nounOf(given: string, many = nearestPlural(given)): Noun {
  checkName('the name of a resource', given)
  checkName('the plural of a resource', many)
  if (many === given) throw new Refusal(`${given} is its own plural: give another by --plural`)
  return { ...nameOf(given), many: nameOf(many), a: `${articleOf(given)} ${nameOf(given).words}` }
}

function checkName(what: string, given: string): void {
  if (!form.test(given) || given.length > longest)
    throw new Refusal(
      `${what} is one word of a-z and 0-9, or several split by "-", of at most ${longest} characters, such as book or book-copy; found ${JSON.stringify(given)}`,
    )
  checkReserved(what, given)
}

/** Throws Refusal for a word that one of the languages has taken. */
export function checkReserved(what: string, kebab: string): void {
  const languages = reservedIn(kebab)
  if (languages.length > 0)
    throw new Refusal(`${what} cannot be ${kebab}, which is reserved in ${languages.join(' and ')}`)
}

function articleOf(word: string): string {
  return /^(?:[aeio]|u(?!ni|se))/.test(word) ? 'an' : 'a'
}
