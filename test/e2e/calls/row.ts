import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import type { Call, Outcome, Protocol, Text } from '../callers.ts'
import { malformed, notTextRule, refused } from './outcomes.ts'

/** What a row is run with: a caller of one protocol, and a mail address that nobody has. */
export interface At {
  call: Call
  mail: string
}

/** What a row saw and what it should have seen. */
interface Seen {
  got: unknown
  want: unknown
}

export interface Row {
  title: string
  run: (at: At) => Promise<Seen>
  /** Where not all protocols can say it. */
  only?: readonly Protocol[]
}

type Fields = Record<string, JsonValue>
export type Given = Fields | ((at: At) => Fields)

/** What the clock of the service says, and what each user made meanwhile has. */
export const now = () => new Date(1_700_000_000_999)
export const createdAt = '1700000000'
export const json: readonly Protocol[] = ['REST', 'Connect JSON']

export const idOfNobody = '9223372036854775807'

export function messageOf(outcome: Outcome): JsonObject {
  if ('message' in outcome) return outcome.message as JsonObject
  throw new Error(`the call failed: ${JSON.stringify(outcome)}`)
}

function given(fields: Given, at: At): Fields {
  return typeof fields === 'function' ? fields(at) : fields
}

function idOf({ id }: JsonObject): string {
  if (typeof id === 'string') return id
  throw new Error('a 64-bit id is a string in JSON')
}

export const before = { name: 'Before', phone: '030 1' }

/** Creates a user and gives its id. */
export async function newUser({ call, mail }: At, fields: Fields = {}): Promise<string> {
  const request = { ...before, email: mail, ...fields }
  return idOf(messageOf(await call('createUser', request)))
}

/** A create that succeeds, and what a get then finds. */
export function creates(title: string, sent: Given, stored: Given = sent): Row {
  return {
    title,
    async run(at) {
      const filled = { name: 'Ada', email: at.mail, phone: '' }
      const { id = null, ...reply } = messageOf(
        await at.call('createUser', { ...filled, ...given(sent, at) }),
      )
      const user = { ...filled, ...given(stored, at) }
      const { name, email } = user
      return {
        got: { reply, user: await at.call('getUser', { id }) },
        want: { reply: { name, email }, user: { message: { id, ...user, createdAt } } },
      }
    },
  }
}

export function createRefused(title: string, sent: Given, rules: Text): Row {
  return {
    title,
    run: async (at) => ({
      got: await at.call('createUser', { name: 'Ada', email: at.mail, ...given(sent, at) }),
      want: refused(rules),
    }),
  }
}

export function unreadable(title: string, sent: Fields, field: string): Row {
  return {
    title,
    run: async (at) => ({
      got: await at.call('createUser', { name: 'Ada', email: at.mail, ...sent }),
      want: malformed({ [field]: notTextRule }),
    }),
  }
}

export function answers(
  title: string,
  method: Parameters<Call>[0],
  request: JsonObject,
  want: Outcome,
): Row {
  return { title, run: async ({ call }) => ({ got: await call(method, request), want }) }
}

export function onlyIn(only: readonly Protocol[], ...rows: Row[]): Row[] {
  return rows.map((row) => ({ ...row, only }))
}

/** An update that succeeds: its reply, and what a get then finds, is the whole user. */
export function updates(title: string, sent: Given, changed: Given): Row {
  return {
    title,
    async run(at) {
      const id = await newUser(at)
      const want = { id, ...before, email: at.mail, createdAt, ...given(changed, at) }
      return {
        got: [
          await at.call('updateUser', { id, ...given(sent, at) }),
          await at.call('getUser', { id }),
        ],
        want: [{ message: want }, { message: want }],
      }
    },
  }
}

/** An update that is refused and leaves the user as it was. */
export function updateRefused(title: string, sent: Given, rules: Text): Row {
  return {
    title,
    async run(at) {
      const id = await newUser(at)
      return {
        got: [
          await at.call('updateUser', { id, ...given(sent, at) }),
          await at.call('getUser', { id }),
        ],
        want: [refused(rules), { message: { id, ...before, email: at.mail, createdAt } }],
      }
    },
  }
}
