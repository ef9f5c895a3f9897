import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { RunningApp } from '../../help/app.ts'
import { callers, newUser } from './callers.ts'
import { rows } from './rows.ts'

type Ports = Pick<RunningApp, 'rest' | 'rpc'>

/** Runs the rows by every protocol, each with a user of its own, which the process `users` has. */
export async function runRows(t: Test, orders: Ports, users: Ports): Promise<void> {
  for (const [protocol, ask] of Object.entries(callers(orders)))
    for (const { title, run } of rows) {
      const { got, want } = await run({ ask, user: await newUser(users.rest.url) })
      if (isDeepStrictEqual(got, want)) t.pass(`${title}, ${protocol}`)
      else t.strictSame(got, want, `${title}, ${protocol}`)
    }
}
