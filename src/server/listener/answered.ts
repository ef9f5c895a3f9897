import type http2 from 'node:http2'
import type { RequestHandler } from './arrival.ts'

type Response = Parameters<RequestHandler>[1]

/**
 * Calls back inside `res.end()`, also if the client reads nothing: 'finish' waits for the client. Over
 * HTTP/1.1 node's own 'prefinish' comes then. Over HTTP/2 it waits for the client as well, so `end` is
 * replaced, once for a response.
 */
export function answered(res: Response, listener: () => void): void {
  if (!('stream' in res)) return void res.on('prefinish', listener)
  const end = res.end.bind(res) as (...args: unknown[]) => typeof res
  Object.assign(res, {
    end(...args: unknown[]) {
      listener()
      return end(...args)
    },
  })
}

/** Calls back whenever a part of an answer waits for its client, and with it those that follow. */
export function stalled(res: http2.Http2ServerResponse, listener: () => void): void {
  const write = res.write.bind(res) as (...args: unknown[]) => boolean
  Object.assign(res, {
    write(...args: unknown[]) {
      const goesOn = write(...args)
      if (!goesOn) listener()
      return goesOn
    },
  })
}
