import type { DescMessage } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import { nearest } from '../../text/nearest.ts'
import { InvalidText } from './scalar-text.ts'

/** The part of an answer that `$fields` asks for. */
export interface Selection {
  /** True to select everything below; `members` has no effect then. */
  whole: boolean
  /** The selected members by JSON name, or by key in a map. */
  readonly members: Map<string, Selection>
}

/**
 * The names that are allowed below a place: fields of a message, any key (map, Struct, Any), or
 * none.
 */
type Below = DescMessage | 'any' | undefined

interface Place {
  selection: Selection
  below: Below
}

// The same limit as for the depth of JSON.
const maxDepth = 100

/**
 * Reads `$fields`: `id,author.name`, `author/name`, `books(id,name)`, `author/*`, by proto or JSON
 * names. A selection of a list applies to each of its elements. Throws InvalidText.
 */
export function parseFields(desc: DescMessage, text: string): Selection {
  const groups: Place[] = [placeOf(desc)]
  let place = groups[0] as Place
  let depth = 0
  // The token before: a name, the end of a group, or neither, so that a name has to follow.
  let last: 'name' | 'group' | undefined
  for (const token of tokens(text)) {
    if (token === '(' || token === '.' || token === '/') {
      if (last === undefined) throw misplaced(token)
      if ((depth += 1) > maxDepth) throw new InvalidText('is nested too deeply')
      if (token === '(') groups.push(place)
      last = undefined
    } else if (token === ')' || token === ',') {
      if (last === undefined || (token === ')' && groups.length === 1)) throw misplaced(token)
      if (last === 'name') place.selection.whole = true
      place = (token === ')' ? groups.pop() : groups.at(-1)) as Place
      depth = groups.length - 1
      last = token === ')' ? 'group' : undefined
    } else {
      if (last !== undefined) throw misplaced(token)
      place = enter(place, token)
      last = 'name'
    }
  }
  if (last === undefined || groups.length > 1) throw new InvalidText('ends too early')
  if (last === 'name') place.selection.whole = true
  return (groups[0] as Place).selection
}

function placeOf(desc: Below): Place {
  return { selection: { whole: false, members: new Map() }, below: desc }
}

function misplaced(token: string): InvalidText {
  return new InvalidText(`has an unexpected ${JSON.stringify(token.slice(0, 64))}`)
}

function* tokens(text: string): Generator<string> {
  let start = 0
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at]
    if (char !== undefined && !',()./'.includes(char)) continue
    const name = text.slice(start, at).trim()
    if (name !== '') yield name
    if (char !== undefined) yield char
    start = at + 1
  }
}

const objectTypes = ['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.Any']

function enter({ selection, below }: Place, name: string): Place {
  if (name === '*') {
    selection.whole = true
    return { selection, below: undefined }
  }
  if (below === undefined) throw new InvalidText(`has "${name}" below what has no fields`)
  if (below === 'any') return member(selection, name, 'any')
  const field = fieldNamed(below, name)
  if (field === undefined) throw unknownField(below, name)
  const { message } = field
  if (field.fieldKind === 'map') return member(selection, field.jsonName, 'any')
  const free = message !== undefined && objectTypes.includes(message.typeName)
  return member(selection, field.jsonName, free ? 'any' : message)
}

function member(selection: Selection, name: string, below: Below): Place {
  const existing = selection.members.get(name)
  if (existing) return { selection: existing, below }
  const place = placeOf(below)
  selection.members.set(name, place.selection)
  return place
}

function unknownField(desc: DescMessage, name: string): InvalidText {
  const names = desc.fields.map((field) => field.name)
  const meant = nearest(name, names)
  const hint = meant ? `; did you mean ${meant}?` : ''
  return new InvalidText(
    `has the unknown field "${name.slice(0, 64)}"${hint}; ${desc.name} has ${names.join(', ')}`,
  )
}
