import { hash } from 'node:crypto'
import { type Redis, ReplyError } from 'ioredis'

/**
 * A script that Redis runs as one step. It is sent by its hash, and in full to a server that does not
 * know it. `run` gives what the script returns, texts as bytes.
 */
export function redisScript(lua: string) {
  const sha = hash('sha1', lua)
  return async function run(
    redis: Redis,
    keys: readonly string[],
    values: readonly (string | number | Buffer)[],
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...values]
    try {
      return await redis.callBuffer('EVALSHA', [sha, ...rest])
    } catch (err) {
      if (!(err instanceof ReplyError) || !String(err).includes('NOSCRIPT')) throw err
      return redis.callBuffer('EVAL', [lua, ...rest])
    }
  }
}
