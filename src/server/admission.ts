import type { Request, Response } from './exchange.ts'

/** How many calls the process works on at once, over both ports. */
export interface Admission {
  /** Takes a call in until its response is closed; false when there are too many already. */
  admit(request: Request, response: Response): boolean
  /** Calls that are being worked on. */
  readonly active: number
}

export function admission(maxConcurrentCalls: number): Admission {
  let active = 0
  return {
    admit(request, response) {
      // Who asks for health must get an answer from a busy server too, and may wait for long.
      if (isHealthCheck(request.url ?? '')) return true
      if (active >= maxConcurrentCalls) return false
      active += 1
      response.once('close', () => {
        active -= 1
      })
      return true
    },
    get active() {
      return active
    },
  }
}

function isHealthCheck(url: string): boolean {
  return url === '/healthz' || url === '/readyz' || url.startsWith('/grpc.health.v1.Health/')
}
