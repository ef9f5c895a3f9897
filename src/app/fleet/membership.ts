import { setTimeout as sleep } from 'node:timers/promises'
import type { Instance, Registrar } from '../../fleet/registry.ts'
import type { Readiness } from '../../server/health/readiness.ts'

interface MembershipOptions {
  registrar: Registrar
  ready: Readiness
  /** How long the process may be not ready before its announcement is taken back. */
  unreadyAfterMs: number
  /** Upper bound of the withdrawal at the end. */
  timeoutMs: number
}

/** Announces this instance while it is ready. */
export function membership({ registrar, ready, unreadyAfterMs, timeoutMs }: MembershipOptions) {
  let wanted: Instance | undefined
  let timer: NodeJS.Timeout | undefined
  let unsubscribe: (() => void) | undefined
  // One change at a time: a withdrawal on its way must not take back what is announced after it.
  let changing = Promise.resolve()

  function want(instance: Instance | undefined): void {
    wanted = instance
    changing = changing.then(apply)
  }

  async function apply(): Promise<void> {
    if (wanted) registrar.announce(wanted)
    else await registrar.withdraw()
  }

  function join(instance: Instance): void {
    function follow(): void {
      clearTimeout(timer)
      if (ready.ready()) want(instance)
      else if (wanted) timer = setTimeout(want, unreadyAfterMs, undefined)
    }
    unsubscribe = ready.subscribe(follow)
    follow()
  }

  async function leave(): Promise<void> {
    unsubscribe?.()
    clearTimeout(timer)
    want(undefined)
    const late = new AbortController()
    const timeout = sleep(timeoutMs, undefined, { signal: late.signal }).catch(() => undefined)
    await Promise.race([changing, timeout])
    late.abort()
  }

  return {
    /** Begins; to be called when the ports listen. */
    join,
    /** Ends; resolves when the announcement is taken back, or after the time for it. */
    leave,
  }
}
