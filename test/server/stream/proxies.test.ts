import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test, type Test } from 'tap'
import { findProgram } from '../../../scripts/program.ts'
import { balancer } from '../../help/haproxy.ts'
import { nginxBefore } from '../../help/nginx.ts'
import { eventsOf } from '../../rest/stream/serve-streams.ts'
import { servePorts } from './ports.ts'

const programs = {
  nginx: findProgram('nginx'),
  haproxy: findProgram('haproxy'),
  curl: findProgram('curl'),
}
const needs = (name: keyof typeof programs) => ({
  skip: programs[name] && programs.curl ? false : `needs ${name} and curl`,
})

/** A handler that sends one event, and the other once it is told that the first has arrived. */
function inTwoParts() {
  let arrived = Promise.withResolvers<void>()
  return {
    /** To be called when the first event has arrived. */
    goOn: () => arrived.resolve(),
    handlers: {
      async *watch() {
        arrived = Promise.withResolvers<void>()
        yield* eventsOf('a')
        await arrived.promise
        yield* eventsOf('b')
      },
    },
  }
}

/** The lines that curl prints of a stream; each is passed on as it comes. */
async function curl(t: Test, url: string, accept: string, line: (text: string) => void) {
  const args = ['-sN', '--max-time', '60', '-H', `Accept: ${accept}`, url]
  const child = spawn(programs.curl ?? '', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  for await (const text of createInterface({ input: child.stdout })) {
    lines.push(text)
    line(text)
  }
  return lines.filter((text) => text.includes('"text"'))
}

for (const proxy of ['nginx', 'haproxy'] as const)
  test(`a message comes through ${proxy} before the next one is there`, needs(proxy), async (t) => {
    const { handlers, goOn } = inTwoParts()
    const { rest, rpc } = await servePorts(t, handlers)
    const backend = { http: rest, grpc: rpc }
    const urls =
      proxy === 'nginx'
        ? await nginxBefore(t, programs.nginx ?? '', backend)
        : await balancer(t, programs.haproxy ?? '', [backend])
    const { rpc: _, ...ways } = urls
    for (const [way, url] of Object.entries(ways))
      for (const accept of ['application/x-ndjson', 'text/event-stream']) {
        // curl ends only if the first message comes before the second is sent.
        const got = await curl(t, `${url}/v1/den/events`, accept, (text) => {
          if (text.includes('"a"')) goOn()
        })
        t.match(got, [/"a"/, /"b"/], `${way}, ${accept}`)
      }
  })
