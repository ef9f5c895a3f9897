// Whether the tests need a quiet machine: all of them, several times in a row, beside loops that do
// nothing but use the processor.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { run } from './command.ts'

const loops = 4
const runs = Number(process.env.BUSY_RUNS ?? 5)
const root = join(import.meta.dirname, '../..')

/** Gives the last line of each run; fails with the first run that does. */
export async function busy(): Promise<string> {
  const loop = () => spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' })
  const children = Array.from({ length: loops }, loop)
  try {
    const ends: string[] = []
    while (ends.length < runs) {
      const output = await run(['npm', 'test'], { cwd: root })
      ends.push(output.trim().split('\n').at(-1) ?? '')
    }
    return `${runs} runs beside ${loops} busy loops: ${ends.join('; ')}`
  } finally {
    for (const child of children) child.kill()
  }
}
