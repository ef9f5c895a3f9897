import type { Logger } from 'pino'

interface Stopped {
  stop: () => Promise<void>
  readSettings: () => Promise<void>
  log: Logger
}

const nothingToDo =
  'the signal does nothing: files of settings and certificates are read again when they change'

interface Signalled {
  /** Whether the process is one of a terminal, whose end SIGHUP then tells. */
  hasTerminal: boolean
  fail: (err: unknown) => never
}

/**
 * The first of SIGTERM and SIGINT stops in order and a second one at once. SIGHUP does the same where it
 * means that a terminal was closed; supervisors send it to make a service read its settings. SIGUSR1
 * would make Node open its debugger to every user of the machine, and SIGUSR2 would end the process with
 * calls in flight; tools send both to make a program open its log file again.
 */
export function onSignals(
  { stop, readSettings, log }: Stopped,
  { hasTerminal, fail }: Signalled,
): void {
  let stopping = false
  function onStop(signal: NodeJS.Signals): void {
    if (stopping) process.exit(1)
    stopping = true
    log.info({ signal }, 'stopping')
    stop().then(() => {
      log.info('stopped')
      process.exit(0)
    }, fail)
  }
  function onHangUp(signal: NodeJS.Signals): void {
    log.info({ signal }, 'the file of settings is read again')
    readSettings().catch(fail)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onStop)
  process.on('SIGHUP', hasTerminal ? onStop : onHangUp)
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => log.info({ signal }, nothingToDo))
}
