import { type Kind, kinds } from './kinds.ts'
import { checkReserved, type Name, nameOf, type Noun } from './noun.ts'
import { Refusal } from './refusal.ts'

/** A field of a resource that its clients set. */
export interface Field extends Name {
  kind: Kind
  /** Whether two rows never have the same value. */
  isUnique: boolean
  /** Whether a row may be without a value. */
  isOptional: boolean
}

/** What `new resource` makes. */
export interface Resource {
  noun: Noun
  fields: readonly Field[]
  unique: readonly Field[]
}

const form = /^([a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*):([a-z0-9]+)((?:@[a-z]+)*)$/
const longest = 32
const most = 30

/** Names that every resource has. */
const taken = ['id', 'created-at', 'update-mask', 'page-size', 'page-token', 'next-page-token']

/** Reads `pages:int32`, `isbn:string@unique`, `subtitle:string@optional`. Throws Refusal. */
function fieldOf(given: string): Field {
  const [, snake = '', type = '', marks = ''] = form.exec(given) ?? []
  if (snake === '' || snake.length > longest)
    throw new Refusal(
      `a field is name:type, with @unique or @optional after it, and its name words of a-z and 0-9 split by "_", of at most ${longest} characters, such as isbn:string@unique; found ${JSON.stringify(given)}`,
    )
  const name = nameOf(snake.replaceAll('_', '-'))
  checkReserved('a field', name.kebab)
  const kind = kinds[type]
  if (kind === undefined)
    throw new Refusal(
      `the type of ${snake} must be one of ${Object.keys(kinds).join(', ')}; found ${JSON.stringify(type)}`,
    )
  return { ...name, kind, ...marksOf(snake, marks, kind) }
}

function marksOf(name: string, text: string, kind: Kind) {
  const marks = text.split('@').slice(1)
  const unknown = marks.find((mark) => mark !== 'unique' && mark !== 'optional')
  if (unknown !== undefined)
    throw new Refusal(`${name} has the mark @${unknown}; there are @unique and @optional`)
  const isUnique = marks.includes('unique')
  if (isUnique && !kind.canBeUnique)
    throw new Refusal(`${name} cannot be @unique: string, int32 and int64 can`)
  return { isUnique, isOptional: marks.includes('optional') }
}

/** Reads the fields of a resource. Throws Refusal. */
export function resourceOf(noun: Noun, given: readonly string[]): Resource {
  const fields = given.map(fieldOf)
  if (fields.length === 0 || fields.length > most)
    throw new Refusal(
      `a resource has 1 to ${most} fields, such as name:string; found ${fields.length}`,
    )
  const names = fields.map(({ camel }) => camel)
  for (const [index, { camel, kebab, snake }] of fields.entries()) {
    if (taken.includes(kebab)) throw new Refusal(`every resource has ${snake} of its own`)
    if (names.indexOf(camel) !== index) throw new Refusal(`${snake} is there twice`)
    if (kebab === noun.kebab || kebab === noun.many.kebab)
      throw new Refusal(`a field cannot be called ${snake}, as its resource`)
  }
  return { noun, fields, unique: fields.filter(({ isUnique }) => isUnique) }
}
