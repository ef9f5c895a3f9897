import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/**
 * Makes the tables and fills them with so many users by the checkout in `folder`, with the settings in
 * `env`. Throws where that fails.
 */
export async function seed(
  folder: string,
  env: Record<string, string>,
  users: number,
): Promise<void> {
  const args = [join(folder, 'src/start.js'), 'seed', '--users', `${users}`]
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the database could not be filled (${code})`)
}
