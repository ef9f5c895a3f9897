import type { Logger } from 'pino'

interface Stopped {
  stop: () => Promise<void>
  log: Logger
}

const nothingToDo =
  'the signal does nothing: files of settings and certificates are read again when they change'

/**
 * The first of SIGTERM, SIGINT and SIGHUP (its terminal was closed) stops in order and a second one at
 * once. SIGUSR1 would make Node open its debugger to every user of the machine, and SIGUSR2 would end
 * the process with calls in flight; tools send both to make a program open its log file again.
 */
export function onSignals({ stop, log }: Stopped, fail: (err: unknown) => never): void {
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
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onStop)
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const)
    process.on(signal, () => log.info({ signal }, nothingToDo))
}
