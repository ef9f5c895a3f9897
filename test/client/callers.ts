import { ConnectError } from '@connectrpc/connect'

/** For `catch`: what a call failed with. */
export const caught = (err: unknown): ConnectError => ConnectError.from(err)

/** Calls that run side by side, each caller beginning its next call when its last has ended. */
export function callers(count: number, call: () => Promise<unknown>) {
  const state = { succeeded: 0, failed: [] as ConnectError[], open: 0, isStopped: false }

  async function caller(): Promise<void> {
    while (!state.isStopped) {
      state.open += 1
      try {
        await call()
        state.succeeded += 1
      } catch (err) {
        state.failed.push(ConnectError.from(err))
      }
      state.open -= 1
    }
  }

  const running = Promise.all(Array.from({ length: count }, caller))
  /** Lets the open calls end. */
  const stop = async (): Promise<void> => {
    state.isStopped = true
    await running
  }
  return { state, stop }
}
