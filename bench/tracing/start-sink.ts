import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A collector that reads and forgets, as a process of its own. */
export async function startSink() {
  const child = spawn(process.execPath, [`${import.meta.dirname}/sink.ts`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [url] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: url.toString().trim(), stop: () => child.kill('SIGKILL') }
}
