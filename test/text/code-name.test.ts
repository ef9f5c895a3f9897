import { Code } from '@connectrpc/connect'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import { status } from '@grpc/grpc-js'
import { test } from 'tap'
import { connectCodeName, grpcCodeName, upperCodeName } from '../../src/text/code-name.ts'

const codes = Object.values(Code).filter((code) => typeof code === 'number')

test('a code has the name that each protocol sends or prints for it', (t) => {
  t.equal(codes.length, 16)
  for (const code of codes) {
    t.equal(connectCodeName(code), codeToString(code))
    t.equal(grpcCodeName(code), status[code])
    t.equal(upperCodeName(code), codeToString(code).toUpperCase())
  }
  t.end()
})

test('a number that is no code is the unknown one', (t) => {
  for (const number of [0, 17, -1]) {
    t.equal(connectCodeName(number), 'unknown')
    t.equal(grpcCodeName(number), 'UNKNOWN')
  }
  t.end()
})
