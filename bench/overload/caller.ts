/** `refused`: the service said that it is overloaded; `failed`: anything else but an answer. */
export type Outcome = 'ok' | 'refused' | 'failed'

/** Makes one kind of call over many connections. */
export interface Caller {
  /** Begins a call; false where every connection is in use. */
  call(done: (outcome: Outcome) => void): boolean
  close(): void
}

/** The users that the service under test has, with the ids 1 to this. */
export const storedUsers = 1000
