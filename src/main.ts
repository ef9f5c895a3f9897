// Alone reads argv and the environment, and alone ends the process.
import { isatty } from 'node:tty'
import { endOnSignals } from './command/signals.ts'
import { bindWithoutGetters } from './memory/bound-functions.ts'
import { optimizeCode, setMemoryFlags } from './memory/flags.ts'

endOnSignals()
setMemoryFlags()
// A command that takes longer allows it.
optimizeCode(false)
bindWithoutGetters()

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
