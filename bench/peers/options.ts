import { parseArgs } from 'node:util'
import { pairs } from '../measure/pairs.ts'
import type { Case } from './slice.ts'
import type { Limits } from './warm-up.ts'

/** The order of a run: creates come last, since they make the table another one. */
const allCases: readonly Case[] = [
  { protocol: 'rest', call: 'get' },
  { protocol: 'grpc', call: 'get' },
  { protocol: 'rest', call: 'list' },
  { protocol: 'grpc', call: 'list' },
  { protocol: 'rest', call: 'create' },
  { protocol: 'grpc', call: 'create' },
]

export interface Options {
  cases: Case[]
  /** Those that are measured with tracing, too. */
  traced: Case[]
  /** Shares of calls that are traced. */
  ratios: string[]
  /** Undefined: all but the peers of further questions. */
  servers: string[] | undefined
  /** Processes of each server: two of one program may differ by a quarter. */
  processes: number
  rounds: number
  seconds: number
  starts: number
  users: number
  warmUp: Limits & { seconds: number }
  /** Folders of further checkouts, by name. */
  variants: Record<string, string>
  /** Settings of further copies of this checkout, each by its variable. */
  settings: string[]
}

const thorough = {
  processes: 1,
  rounds: 5,
  seconds: 4,
  starts: 5,
  users: 100_000,
  warmUp: { seconds: 2, minCalls: 40_000, maxSlices: 60 },
}

/** Shows that everything runs; its figures say nothing. */
const quick: typeof thorough = {
  processes: 1,
  rounds: 2,
  seconds: 1,
  starts: 1,
  users: 2000,
  warmUp: { seconds: 1, minCalls: 0, maxSlices: 2 },
}

/** The options of the command line. Throws where one is not known. */
export function readOptions(args?: string[]): Options {
  const { values } = parseArgs({
    ...(args && { args }),
    options: {
      cases: { type: 'string', default: 'get,list,create' },
      traced: { type: 'string', default: 'get' },
      ratios: { type: 'string', default: '0.1,1.0' },
      servers: { type: 'string' },
      processes: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      variant: { type: 'string', multiple: true, default: [] },
      'ours-env': { type: 'string', multiple: true, default: [] },
    },
  })
  const defaults = values.quick ? quick : thorough
  return {
    ...defaults,
    cases: casesOf(values.cases),
    traced: casesOf(values.traced),
    ratios: list(values.ratios),
    servers: values.servers?.split(','),
    processes: count(values.processes, defaults.processes),
    rounds: count(values.rounds, defaults.rounds),
    seconds: count(values.seconds, defaults.seconds),
    variants: pairs(values.variant),
    settings: values['ours-env'],
  }
}

/** Without one, no call would be measured, and none would fail. */
function count(text: string | undefined, otherwise: number): number {
  const given = Number(text ?? otherwise)
  if (!Number.isInteger(given) || given < 1)
    throw new Error(`not a whole number of at least 1: ${text}`)
  return given
}

const list = (text: string) => text.split(',').filter((part) => part !== '')

/** `get` is both protocols, `rest-get` one. */
function casesOf(text: string): Case[] {
  const names = list(text)
  const named = ({ protocol, call }: Case) =>
    names.includes(call) || names.includes(`${protocol}-${call}`)
  const known = allCases.flatMap(({ protocol, call }) => [call, `${protocol}-${call}`])
  const unknown = names.filter((name) => !known.some((each) => each === name))
  if (unknown.length > 0) throw new Error(`no such call: ${unknown.join(', ')}`)
  return allCases.filter(named)
}
