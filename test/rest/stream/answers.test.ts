import { test } from 'tap'
import { protocols } from '../listen.ts'
import { eventsOf, serveStreams } from './serve-streams.ts'

const two = {
  watch: () => eventsOf('a', 'b'),
}
const first = '{"resumeToken":"t0","text":"a","number":"0"}'
const second = '{"resumeToken":"t1","text":"b","number":"1"}'

for (const protocol of protocols)
  test(`a stream has the form that Accept asks for over ${protocol}`, async (t) => {
    const { ask } = await serveStreams(t, two)
    const forms = [
      [{}, 'application/json', `[${first},\n${second}]\n`],
      [{ accept: 'application/x-ndjson' }, 'application/x-ndjson', `${first}\n${second}\n`],
      [
        { accept: 'text/event-stream' },
        'text/event-stream',
        `retry: 2000\n\nid: t0\ndata: ${first}\n\nid: t1\ndata: ${second}\n\nid: end\nevent: end\ndata: {}\n\n`,
      ],
    ] as const
    for (const [headers, type, body] of forms) {
      const answer = await ask[protocol]({ target: '/v1/den/events', headers })
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('content-type'), type)
      t.equal(answer.body, body)
    }
  })
