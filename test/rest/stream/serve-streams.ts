import type { DescMethod } from '@bufbuild/protobuf'
import type { ConnectRouter, HandlerContext } from '@connectrpc/connect'
import type { Test } from 'tap'
import type { RestPluginOptions } from '../../../src/rest/options.ts'
import { serviceIn, testProtos } from '../descriptors.ts'
import { serveRest } from '../listen.ts'

/** A message of test.rest.v1, whose code is not generated. */
export type Row = Record<string, unknown>

/** The handlers of test.rest.v1.Streams; those that a test does not need are left out. */
export interface StreamHandlers {
  watch?(request: Row, context: HandlerContext): AsyncIterable<Row>
  collect?(requests: AsyncIterable<Row>, context: HandlerContext): Promise<Row>
  download?(request: Row, context: HandlerContext): AsyncIterable<Row>
  upload?(requests: AsyncIterable<Row>, context: HandlerContext): Promise<Row>
  fetch?(request: Row, context: HandlerContext): Promise<Row> | Row
  put?(request: Row, context: HandlerContext): Promise<Row> | Row
  raw?(request: Row, context: HandlerContext): Promise<Row> | Row
}

/** The service whose methods stream. */
export const streams = serviceIn(testProtos(), 'test.rest.v1.Streams')

/** Its method of that name. */
export function methodOf(name: string): DescMethod {
  const method = streams.methods.find((each) => each.name === name)
  if (method === undefined) throw new Error(`there is no method ${name}`)
  return method
}

/** The plugin with these handlers on a free port that speaks both versions of HTTP. */
export function serveStreams(
  t: Test,
  handlers: StreamHandlers,
  options: Partial<RestPluginOptions> = {},
) {
  return serveRest(t, {
    routes: (router: ConnectRouter) => router.service(streams, handlers as never),
    ...options,
  })
}

/** Events with the texts and their place as number and token. */
export async function* eventsOf(...texts: string[]): AsyncGenerator<Row> {
  for (const [index, text] of texts.entries())
    yield { text, number: BigInt(index), resumeToken: `t${index}` }
}
