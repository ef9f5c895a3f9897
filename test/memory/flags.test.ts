import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { startArguments } from '../../scripts/start-arguments.ts'
import { until } from '../help/until.ts'

test('V8 optimizes hardly any code while the service starts, what calls run often afterwards, keeps that when there are none, and lets its heap double', async (t) => {
  const tracing = ['--trace-opt', '--trace-memory-reducer', '--trace-gc-nvp']
  // A snapshot begins with a full collection.
  const snapshot = ['--heapsnapshot-signal=SIGUSR2']
  const child = spawn(process.execPath, [...tracing, ...snapshot, ...startArguments()], {
    cwd: t.testdir(),
    env: {
      PATH: process.env.PATH,
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '127.0.0.1:0',
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const compilers: string[] = []
  const reducer: string[] = []
  const collections: string[] = []
  let serving: { http: string } | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, compiler] = /^\[completed compiling .*\(target (TURBOFAN_JS|MAGLEV)\)/.exec(line) ?? []
    if (compiler !== undefined) compilers.push(compiler)
    else if (line.includes('Memory reducer: ')) reducer.push(line)
    else if (line.includes(' gc=')) collections.push(line)
    else if (line.includes('"serving')) serving = JSON.parse(line) as { http: string }
  })
  await until('ports that are open', () => serving !== undefined)
  // Some of node's run often before any of ours. A start that optimizes has hundreds.
  t.ok(compilers.length < 20, `${compilers.length} functions`)
  for (const compiler of ['MAGLEV', 'TURBOFAN_JS'])
    await until(`code of ${compiler}`, async () => {
      for (let call = 0; call < 100; call += 1)
        await (await fetch(`http://${serving?.http}/openapi.json`)).text()
      return compilers.includes(compiler)
    })
  // It looks at the process soon after the start, and says at once if it will wait for a pause.
  await until('the look of the memory reducer', () => reducer.length > 0)
  t.notOk(reducer.find((line) => line.includes('waiting')))

  const full = collections.length
  child.kill('SIGUSR2')
  const limits = () => {
    const at = collections.findIndex((line, index) => index >= full && line.includes(' gc=mc'))
    const [used, limit] = [collections[at], at === -1 ? undefined : collections[at + 1]]
    return [valueIn(used, 'end_object_size'), valueIn(limit, 'old_gen_allocation_limit')] as const
  }
  await until('a collection after a full one', async () => {
    await (await fetch(`http://${serving?.http}/openapi.json`)).text()
    return limits()[1] > 0
  })
  const [used, limit] = limits()
  t.ok(limit > used * 1.8, `${limit} bytes of ${used} in use`)
})

/** A value of a line of `--trace-gc-nvp`; 0 where there is none. */
function valueIn(line = '', name: string): number {
  return Number(new RegExp(` ${name}=(\\d+)`).exec(line)?.[1] ?? 0)
}
