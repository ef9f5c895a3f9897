import { Writable } from 'node:stream'
import pino from 'pino'
import { test } from 'tap'
import { linesDropped } from '../../../src/telemetry/log/log.ts'

const sink = () => new Writable({ write: (_chunk, _encoding, written) => written() })

test('the lines that a stream of the log gives up are counted', async (t) => {
  const out = sink()
  const dropped = linesDropped(pino({}, out))
  out.emit('drop', 'a line')
  t.equal(dropped(), 1)
})

test('with several streams the lines that each gives up are counted', async (t) => {
  const out = [sink(), sink()]
  const dropped = linesDropped(pino({}, pino.multistream(out.map((stream) => ({ stream })))))
  for (const stream of out) stream.emit('drop', 'a line')
  t.equal(dropped(), 2)
})
