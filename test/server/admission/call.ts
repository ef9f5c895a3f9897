import { EventEmitter } from 'node:events'

export interface CallOptions {
  url?: string
  hasBody?: boolean
  gone?: boolean
  timeoutMs?: number
}

/** A call that tells what becomes of it. */
export function call(options: CallOptions = {}) {
  const { url = '/v1/users', hasBody = false, gone = false, timeoutMs } = options
  const events = new EventEmitter()
  const story: string[] = []
  return {
    story,
    arrival: {
      method: 'GET',
      url,
      headers: {},
      contentType: '',
      hasBody,
      at: 0,
      gone: () => gone,
      begin: () => void story.push('begun'),
      refuse: () => undefined,
      abort() {
        story.push('aborted')
        events.emit('close')
      },
      onReceived: (listener: () => void) => events.once('received', listener),
      onAnswered: (listener: () => void) => events.once('answered', listener),
      onStream: (listener: () => void) => events.once('stream', listener),
      onClose: (listener: () => void) => events.once('close', listener),
    },
    never: {
      timeoutMs: () => timeoutMs,
      refused: () => void story.push('refused'),
      expired: () => void story.push('expired'),
      clientGone: () => void story.push('client gone'),
    },
    answer: () => void events.emit('answered'),
    stream: () => void events.emit('stream'),
    receive: () => void events.emit('received'),
    close: () => void events.emit('close'),
  }
}
