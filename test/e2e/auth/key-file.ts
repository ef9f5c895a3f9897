import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Writes a file of API keys, each with its secret and its scopes, and gives its path. */
export function keyFile(t: Test, keys: Record<string, readonly [string, string]>): string {
  const file = join(t.testdir({}), 'keys')
  const digest = (secret: string) => createHash('sha256').update(secret).digest('hex')
  const lines = Object.entries(keys).map(
    ([id, [secret, scopes]]) => `${id} ${digest(secret)} ${scopes}`,
  )
  writeFileSync(file, ['# comment', '', ...lines].join('\n'))
  return file
}
