import type { RequestHandler } from './arrival.ts'

type Response = Parameters<RequestHandler>[1]

/**
 * Calls back inside `res.end()`, also if the client reads nothing: 'finish' waits for the client. Over
 * HTTP/1.1 node's own 'prefinish' comes then. Over HTTP/2 it waits for the client as well, so `end` is
 * replaced, once for a response.
 */
export function answered(res: Response, listener: () => void): void {
  if (!('stream' in res)) return void res.once('prefinish', listener)
  const end = res.end.bind(res) as (...args: unknown[]) => typeof res
  Object.assign(res, {
    end(...args: unknown[]) {
      listener()
      return end(...args)
    },
  })
}
