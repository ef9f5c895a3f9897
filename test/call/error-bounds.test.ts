import { Code, ConnectError } from '@connectrpc/connect'
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect'
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import { test } from 'tap'
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../src/gen/google/rpc/error_details_pb.ts'
import { bounded } from '../../src/call/error-bounds.ts'
import { errorBody } from '../../src/rest/errors.ts'
import { statusOf } from '../../src/call/status.ts'
import { refusal } from '../../src/call/refusal.ts'

const mostBytes = 8192
const chars = ['x', ' ', '"', '\u0001', '\u6f22', '\u{1f600}', '\ud800']

/** An error with as much of everything as a request may bring about. */
function large(char: string): ConnectError {
  const text = char.repeat(20_000)
  const keys = Array.from({ length: 10_000 }, (_, index) => `${index}${char.repeat(100)}`)
  const metadata = Object.fromEntries(keys.map((key) => [key, text]))
  const fieldViolations = keys.map((field) => ({ field, description: text }))
  return new ConnectError(
    text,
    Code.InvalidArgument,
    { 'x-large': 'x'.repeat(9000), allow: 'GET' },
    [
      { desc: ErrorInfoSchema, value: { reason: 'LARGE', metadata } },
      { desc: BadRequestSchema, value: { fieldViolations } },
      { desc: ErrorInfoSchema, value: { reason: text, metadata } },
      { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n } } },
      { desc: BadRequestSchema, value: { fieldViolations } },
    ],
  )
}

test('an error of any size is small in each protocol', (t) => {
  for (const char of chars) {
    const error = bounded(large(char))
    t.ok(
      errorToJsonBytes(error, undefined).byteLength < mostBytes,
      `Connect: ${JSON.stringify(char)}`,
    )
    const body = JSON.stringify(errorBody(error, (field) => field))
    t.ok(Buffer.byteLength(body) < mostBytes, `REST: ${JSON.stringify(char)}`)
    const trailers = Array.from(setTrailerStatus(new Headers(), error))
    const bytes = trailers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
    t.ok(bytes < mostBytes, `gRPC: ${JSON.stringify(char)}, ${bytes} bytes`)
    t.equal(error.metadata.get('allow'), 'GET')
    t.notOk(error.metadata.has('x-large'))
  }
  t.end()
})

test('what is cut ends with an ellipsis and its length, between two characters', (t) => {
  const { rawMessage } = refusal(
    Code.InvalidArgument,
    'MALFORMED_BODY',
    `x${'\u{1f600}'.repeat(5000)}`,
  )
  t.match(rawMessage, /^x(?:\u{1f600})+… \(10001 characters\)$/u)
  t.end()
})

test('an error within bounds keeps all that it says', (t) => {
  const details = [
    { desc: ErrorInfoSchema, value: { reason: 'R', domain: 'd', metadata: { key: 'value' } } },
    { desc: RetryInfoSchema, value: { retryDelay: { seconds: 3n } } },
  ]
  const cause = new Error('why')
  const error = new ConnectError('a "text"', Code.Aborted, { allow: 'GET' }, details, cause)
  const kept = bounded(Object.assign(error, { httpStatus: 418 }))
  t.equal(statusOf(kept), 418)
  t.equal(kept.cause, cause)
  t.equal(kept.stack, error.stack)
  t.strictSame(setTrailerStatus(new Headers(), kept), setTrailerStatus(new Headers(), error))
  t.equal(bounded(kept), kept)
  t.end()
})
