import { type Coding, codings } from '../codings.ts'

/** The two names of the same JSON: application/protojson is the one that Kratos v3 uses. */
export type AnswerType = 'application/json' | 'application/protojson'

/** The content codings that the client allows for the answer. */
export interface CodingChoice {
  /** The coding of a body that is worth compressing; undefined to send it uncompressed. */
  coding: Coding | undefined
  /** Whether an uncompressed body is acceptable, too. */
  identity: boolean
}

interface Weighted {
  name: string
  weight: number
}

/** The weight that a list of preferences gives to one name. */
interface Preference {
  weight: number
  /** 2 if the list has the name itself, 1 for its `type/*`, 0 for `*`, -1 if no entry fits. */
  precision: number
}

/**
 * The type of the answer by the Accept header (RFC 9110, 12.5.1); undefined if no type is
 * acceptable. If both types weigh the same, a client that names protojson gets it.
 */
export function answerType(accept: string | undefined): AnswerType | undefined {
  if (accept === undefined || accept === '' || accept === '*/*') return 'application/json'
  const ranges = parseWeighted(accept)
  const json = mediaPreference(ranges, 'application/json')
  const protojson = mediaPreference(ranges, 'application/protojson')
  const named = protojson.precision === 2 && protojson.weight >= json.weight
  if (protojson.weight > 0 && (named || json.weight === 0)) return 'application/protojson'
  return json.weight > 0 ? 'application/json' : undefined
}

/**
 * The offered media type that the Accept header prefers, the first of several that weigh the same;
 * one that the header names goes before one that a range includes. Undefined if none is acceptable.
 */
export function preferredType<T extends string>(
  accept: string | undefined,
  offered: readonly T[],
): T | undefined {
  if (accept === undefined || accept === '' || accept === '*/*') return offered[0]
  const ranges = parseWeighted(accept)
  let best: (Preference & { type: T }) | undefined
  for (const type of offered) {
    const range = `${type.slice(0, type.indexOf('/'))}/*`
    const { weight, precision } = strongest(ranges, (name) => [type, range, '*/*'].indexOf(name))
    const isBetter =
      best === undefined ||
      weight > best.weight ||
      (weight === best.weight && precision > best.precision)
    if (weight > 0 && isBetter) best = { type, weight, precision }
  }
  return best?.type
}

const uncompressed: CodingChoice = { coding: undefined, identity: true }

/**
 * The coding of the answer by the Accept-Encoding header (RFC 9110, 12.5.3), one of `offered`;
 * undefined if neither one of them nor an uncompressed answer is acceptable.
 */
export function answerCoding(
  acceptEncoding: string | undefined,
  offered: readonly Coding[] = codings,
): CodingChoice | undefined {
  if (acceptEncoding === undefined || acceptEncoding === '') return uncompressed
  const listed = parseWeighted(acceptEncoding)
  const weights = offered.map((name) => codingPreference(listed, name).weight)
  const identity = codingPreference(listed, 'identity')
  const best = Math.max(...weights)
  // Identity is acceptable unless it is excluded; a client that names it may prefer it.
  const acceptable = identity.precision < 0 || identity.weight > 0
  if (best === 0 && !acceptable) return undefined
  const liked = identity.precision === 2 && identity.weight > best
  const coding = best === 0 || liked ? undefined : offered[weights.indexOf(best)]
  return { coding, identity: acceptable }
}

/** Whether a header such as TE lists a token such as `trailers`. */
export function listsToken(header: string | undefined, token: string): boolean {
  return header !== undefined && parseWeighted(header).some(({ name }) => name === token)
}

function mediaPreference(ranges: readonly Weighted[], type: AnswerType): Preference {
  return strongest(ranges, (name) => [type, 'application/*', '*/*'].indexOf(name))
}

function codingPreference(listed: readonly Weighted[], coding: string): Preference {
  const names = [coding, `x-${coding}`]
  return strongest(listed, (name) => (name === '*' ? 2 : names.includes(name) ? 0 : -1))
}

/**
 * The preference of the most precise entry. `rank` gives 0 for an entry that names it exactly, 1
 * for a range, 2 for `*`, -1 for an entry that does not fit.
 */
function strongest(listed: readonly Weighted[], rank: (name: string) => number): Preference {
  let found: Preference = { weight: 0, precision: -1 }
  for (const { name, weight } of listed) {
    const precision = rank(name) === -1 ? -1 : 2 - rank(name)
    if (precision > found.precision) found = { weight, precision }
  }
  return found
}

/**
 * Reads a list such as `gzip;q=0.5, br`. An entry without a weight, or with an invalid one, weighs
 * 1.
 */
function parseWeighted(header: string): Weighted[] {
  return header.split(',').map((item) => {
    const [name = '', ...parameters] = item.split(';')
    const q = parameters.map((each) => each.trim()).find((each) => /^q=/i.test(each))
    const weight = q === undefined ? 1 : Number(q.slice(2))
    return { name: name.trim().toLowerCase(), weight: weight >= 0 && weight <= 1 ? weight : 1 }
  })
}
