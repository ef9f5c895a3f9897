import { Writable } from 'node:stream'
import pino from 'pino'
import { test } from 'tap'
import { linesDropped } from '../../../src/telemetry/log/log.ts'

function output(lines: number) {
  const out = new Writable({ write: (_chunk, _encoding, written) => written() })
  return Object.assign(out, { dropped: () => lines })
}

test('the lines that the output of the log has dropped are counted', async (t) => {
  t.equal(linesDropped(pino({}, output(1)))(), 1)
})

test('with several streams the lines that each has dropped are counted', async (t) => {
  const streams = [output(1), output(2)].map((stream) => ({ stream }))
  t.equal(linesDropped(pino({}, pino.multistream(streams)))(), 3)
})
