import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { startArguments } from '../../scripts/start-arguments.ts'
import { until } from '../help/until.ts'

test('V8 optimizes hardly any code while the service starts, what calls run often afterwards, and keeps that when there are none', async (t) => {
  const tracing = ['--trace-opt', '--trace-memory-reducer']
  const child = spawn(process.execPath, [...tracing, ...startArguments()], {
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
  let serving: { http: string } | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, compiler] = /^\[completed compiling .*\(target (TURBOFAN_JS|MAGLEV)\)/.exec(line) ?? []
    if (compiler !== undefined) compilers.push(compiler)
    else if (line.includes('Memory reducer: ')) reducer.push(line)
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
})
