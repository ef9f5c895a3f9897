import type { RequestHandler } from './arrival.ts'

/** Neither kind of response tells when its `end` is called, and 'finish' waits for the client. */
export function tellEnd(res: Parameters<RequestHandler>[1], answered: () => void): void {
  const end = res.end.bind(res) as (...args: unknown[]) => typeof res
  Object.assign(res, {
    end(...args: unknown[]) {
      answered()
      return end(...args)
    },
  })
}
