// Alone reads argv and the environment, and alone ends the process.
import { enableCompileCache } from 'node:module'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import { setMemoryFlags } from './memory/flags.ts'

setMemoryFlags()
// What one start compiles, the next one reads. The directory is the program's own, since whoever may
// write to it decides what is run. Where it cannot be written, nothing is kept.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url)))

const { runCommand } = await import('./command/command.ts')
await runCommand({
  args: process.argv.slice(2),
  env: process.env,
  isTerminal: process.stdout.isTTY,
  hasTerminal: [0, 1, 2].some((fd) => isatty(fd)),
  write: (text) => process.stdout.write(text),
  fail(text) {
    process.stderr.write(text)
    process.exit(1)
  },
})
