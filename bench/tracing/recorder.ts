// What the spans of one call cost, in process and with their encoding and export: `node
// bench/tracing/recorder.ts [ROUNDS]`. Rounds alternate the modes, each in a process of its own.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { startSink } from './start-sink.ts'
import { median } from '../measure/statistics.ts'

const modes = ['off', '0', '0.1', '1', 'sdk'] as const
const names: Record<(typeof modes)[number], string> = {
  off: 'off',
  '0': 'ratio 0',
  '0.1': 'ratio 0.1',
  '1': 'ratio 1',
  sdk: "OpenTelemetry's SDK",
}

/** Measures and prints a table: medians of rounds, what each adds to `off`, and its part of the SDK's. */
export async function recorderTable(rounds: number): Promise<void> {
  const sink = await startSink()
  const costs = new Map<string, number[]>(modes.map((mode) => [mode, []]))
  for (let round = 0; round < rounds; round += 1)
    for (const mode of round % 2 === 0 ? modes : modes.toReversed())
      costs.get(mode)?.push(await nsPerCall(mode, sink.url))
  sink.stop()
  const of = (mode: string) => median(costs.get(mode) ?? [])
  const added = (mode: string) => of(mode) - of('off')
  console.log(`\n| in process, ${rounds} rounds | CPU ns per call | added | of the SDK's |`)
  console.log('| --- | --- | --- | --- |')
  for (const mode of modes) {
    const part = `${((added(mode) / added('sdk')) * 100).toFixed(0)} %`
    console.log(`| ${names[mode]} | ${of(mode)} | ${added(mode)} | ${part} |`)
  }
}

async function nsPerCall(mode: string, url: string): Promise<number> {
  const script = `${import.meta.dirname}/in-process.ts`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, mode, url])
  if (stderr) console.error(stderr.trim())
  return Number(stdout)
}

if (import.meta.main) await recorderTable(Number(process.argv[2] ?? 5))
