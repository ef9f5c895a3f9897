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

const stopping = ['SIGTERM', 'SIGINT'] as const

function end(_signal: NodeJS.Signals, number: number): void {
  process.exit(128 + number)
}

/**
 * Lets SIGTERM and SIGINT end the first process of a container at once, as they end any other process:
 * the kernel withholds signals from it that it does not handle. `onSignals` takes over from it.
 */
export function endOnSignals(): void {
  if (process.pid === 1) for (const signal of stopping) process.on(signal, end)
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
  let isStopping = false
  function onStop(signal: NodeJS.Signals): void {
    if (isStopping) process.exit(1)
    isStopping = true
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
  for (const signal of stopping) process.off(signal, end).on(signal, onStop)
  process.on('SIGHUP', hasTerminal ? onStop : onHangUp)
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => log.info({ signal }, nothingToDo))
}
