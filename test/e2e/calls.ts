import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { JsonValue } from '@bufbuild/protobuf'
import type { Test } from 'tap'
import { type RunningApp, startApp, type Storage } from '../help/app.ts'
import { type Call, callers, protocols } from './callers.ts'
import { deleteRows, idRows } from './calls/id.ts'
import { listRows, seeded } from './calls/list.ts'
import { mailRows } from './calls/mail.ts'
import { nameRows } from './calls/name.ts'
import { phoneRows } from './calls/phone.ts'
import { type At, newUser, now, type Row } from './calls/row.ts'
import { maskRows } from './calls/update-mask.ts'
import { updateRows } from './calls/update.ts'
import { startIdsAt } from './ids.ts'
import type { Wire } from './wire.ts'

/** Ids from here on are odd half the time, and a number rounds those to even ones. */
const firstId = 2n ** 53n + 101n

const rows: readonly Row[] = [
  ...nameRows,
  ...mailRows,
  ...phoneRows,
  ...idRows,
  ...deleteRows,
  ...updateRows,
  ...maskRows,
  ...listRows,
]

function at(call: Call): At {
  return { call: withoutEtags(call), mail: `e${randomUUID()}@example.com` }
}

/** Etags are looked at in conditional-writes.ts. */
function withoutEtags(call: Call): Call {
  return async function without(method, request) {
    const outcome = await call(method, request)
    if ('code' in outcome) return outcome
    const text = JSON.stringify(outcome.message, (key, value: JsonValue) =>
      key === 'etag' ? undefined : value,
    )
    return { message: JSON.parse(text) as JsonValue }
  }
}

interface RunOptions {
  storage: Storage
  /** Settings of the service, and what carries the calls; plain HTTP/1.1 unless given. */
  env?: Record<string, string>
  wire?: Wire
  /** A client that is tried in place of those of all protocols, with the rows that all can say. */
  client?: (app: RunningApp) => Call
  /** Another process that the calls go through. */
  through?: (app: RunningApp) => Promise<Pick<RunningApp, 'rest' | 'rpc'>>
}

/** Runs each row over each protocol that can say it. */
export async function runCalls(
  t: Test,
  { storage, env = {}, wire, client, through }: RunOptions,
): Promise<void> {
  const app = await startApp(t, { storage, now, env })
  await startIdsAt(firstId, storage, app.database)
  const calls = callers((await through?.(app)) ?? app, wire)
  for (let user = 0; user < seeded; user += 1) await newUser(at(calls.REST))
  const other = client?.(app)
  const all: readonly [string, Call][] = other
    ? [['the client', other]]
    : protocols.map((protocol) => [protocol, calls[protocol]])
  for (const { title, run, only } of rows) {
    if (other && only) continue
    await t.test(title, async (t) => {
      for (const [protocol, call] of all) {
        if (only && !only.some((each) => each === protocol)) continue
        const { got, want } = await run(at(call))
        // A diff only where it is needed: tap formats both sides of each strictSame.
        if (isDeepStrictEqual(got, want)) t.pass(protocol)
        else t.strictSame(got, want, protocol)
      }
    })
  }
}
