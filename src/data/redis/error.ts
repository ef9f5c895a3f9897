/**
 * Why Redis gave no answer: it is away, it was silent for too long, or it answered with an error. The
 * message is for the log. The driver's error is left out: it holds keys, values and passwords.
 */
export class RedisError extends Error {
  override readonly name = 'RedisError'
  readonly code: 'REDIS_AWAY' | 'REDIS_SILENT' | 'REDIS_REFUSED'

  constructor(code: RedisError['code'], message: string) {
    super(message)
    this.code = code
  }
}
