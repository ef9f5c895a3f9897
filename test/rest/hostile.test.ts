import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { HostileResult } from './hostile-run.ts'

/** More of them, or those of a failure again: REST_BROKEN=100000 REST_SEED=42. */
const count = Number(process.env.REST_BROKEN ?? 10_000)
const seed = Number(process.env.REST_SEED ?? Date.now() % 2 ** 31)
const script = join(import.meta.dirname, 'hostile-run.ts')

test(`${count} random or broken requests get 2xx or 4xx in the one body, none hangs, memory stays`, async (t) => {
  const args = ['--expose-gc', script, String(count), String(seed)]
  // Without tap's variables, which would have it measure coverage.
  const options = { env: { PATH: process.env.PATH }, timeout: 600_000 }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  const { faults, statuses, grownMiB } = JSON.parse(stdout) as HostileResult
  t.strictSame(faults, [], `REST_SEED=${seed}`)
  t.comment(`statuses ${JSON.stringify(statuses)}, ${grownMiB.toFixed(1)} MiB more`)
  t.ok((statuses[200] ?? 0) > count / 20, 'enough of them reach a method')
  t.ok(grownMiB < 30, `${grownMiB} MiB more after ${(count * 4) / 5} requests`)
})
