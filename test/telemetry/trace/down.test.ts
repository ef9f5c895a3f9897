import { test } from 'tap'
import { callers, protocols } from '../../e2e/callers.ts'
import { httpCollector } from '../../help/collector.ts'
import { privateMysqlServer } from '../../help/db.ts'
import { startProcess } from '../../help/process.ts'
import { served, trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

test('a database that is down is one exception in the repository, and an error of the server', async (t) => {
  const collector = await httpCollector(t)
  const database = await privateMysqlServer(t)
  const service = await startProcess(t, {
    TRACING_ENDPOINT: collector.url,
    TRACING_BATCH_DELAY: '0.05s',
    DB_DSN: database.dsn,
  })
  await database.end('SIGKILL')
  await until(
    'the service to notice',
    async () => (await fetch(`${service.rest}/readyz`)).status !== 200,
  )
  const calls = callers({
    rest: { url: service.rest, port: 0 },
    rpc: { url: service.rpc, port: 0 },
  })
  for (const protocol of protocols) {
    collector.spans.length = 0
    await calls[protocol]('getUser', { id: '1' })
    await until('the server spans', () => served(1)(collector.spans))
    const [tree = '', ...others] = trees(collector.spans)
    t.same(others, [])
    t.match(
      tree.split('\n').map((line) => line.trim()),
      [
        /^SERVER .* !DATABASE_UNAVAILABLE$/,
        'UserService.GetUser !DATABASE_UNAVAILABLE',
        'UserUseCase.Get !DATABASE_UNAVAILABLE',
        'UserRepo.Find !DATABASE_UNAVAILABLE *',
      ],
      protocol,
    )
  }
})
