import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type DescService,
  fromJsonString,
  type Message,
  toJsonString,
} from '@bufbuild/protobuf'
import { ConnectError, type Transport } from '@connectrpc/connect'
import { services } from '../app/services.ts'
import { channelOf } from '../client/channel.ts'
import { overRest } from '../client/rest/open-node.ts'
import type { ClientProtocol } from '../client/settings.ts'
import type { Discovery } from '../fleet/registry.ts'
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../gen/health/v1/health_pb.ts'
import { Metadata } from '../gen/kratos/api/metadata_pb.ts'
import { connectCodeName } from '../text/code-name.ts'
import { nearest } from '../text/nearest.ts'
import type { CallArguments } from './arguments.ts'

const known: readonly DescService[] = [...services, Health, ServerReflection, Metadata]
const protocols: readonly ClientProtocol[] = ['grpc', 'connect', 'kratos2', 'kratos3']
const defaultSeconds = 10

/**
 * Calls a method of a service that this program has the descriptor of, and prints each message of the
 * answer as JSON: a single one over several lines, those of a stream one a line. `openDiscovery` opens the
 * registry for a `discovery:` target.
 */
export async function call(
  asked: CallArguments,
  write: (text: string) => unknown,
  openDiscovery: () => Promise<Discovery | undefined>,
): Promise<void> {
  const method = methodOf(asked.method)
  const messages = asked.messages.map((text) => messageOf(method.input, text))
  const options = { timeoutMs: timeoutOf(asked), headers: headersOf(asked.headers) }
  const target = targetOf(asked)
  const discovery = target.startsWith('discovery:') ? await openDiscovery() : undefined
  const protocol = protocolOf(asked)
  const { transport, close } = channelOf(target, { protocol, protocols: overRest, discovery })
  const isOne = method.methodKind === 'unary' || method.methodKind === 'client_streaming'
  const json = { alwaysEmitImplicit: true, prettySpaces: isOne ? 2 : 0 }
  try {
    for await (const answer of answers(transport, { method, messages, ...options }))
      write(`${toJsonString(method.output, answer, json)}\n`)
  } finally {
    await close()
    await discovery?.close()
  }
}

interface Calling {
  method: DescMethod
  messages: Message[]
  timeoutMs: number
  headers: [string, string][]
}

async function* answers(transport: Transport, { method, messages, timeoutMs, headers }: Calling) {
  if (isUnary(method)) {
    const [message = {}, ...more] = messages
    if (more.length > 0) throw new Error(`${method.name} takes one message`)
    yield (await transport.unary(method, undefined, timeoutMs, headers, message)).message
    return
  }
  const sent = messages.length === 0 && method.methodKind === 'server_streaming' ? [{}] : messages
  const input = (async function* () {
    yield* sent
  })()
  const streaming = method as DescMethodStreaming
  yield* (await transport.stream(streaming, undefined, timeoutMs, headers, input)).message
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === 'unary'
}

const pathOf = ({ parent, name }: DescMethod) => `${parent.typeName}/${name}`

/** `api.user.v1.User/GetUser`, or its end where that names one method only. */
function methodOf(name: string | undefined): DescMethod {
  const all = known.flatMap(({ methods }) => methods)
  const wanted = (name ?? '').replace(/^\//, '')
  if (wanted === '')
    throw new Error(`METHOD: found nothing, must be one of ${all.map(pathOf).join(', ')}`)
  const found = all.filter((each) => pathOf(each) === wanted || endsWith(pathOf(each), wanted))
  const [only, another] = found
  if (only && another === undefined) return only
  const paths = found.length > 1 ? found.map(pathOf) : all.map(pathOf)
  if (only) throw new Error(`${wanted} names several methods: ${paths.join(', ')}`)
  const meant = nearest(wanted, [...paths, ...all.map(({ name }) => name)])
  const hint = meant === undefined ? '' : `did you mean ${meant}? `
  throw new Error(`found no method ${wanted}; ${hint}Allowed: ${paths.join(', ')}`)
}

function endsWith(path: string, wanted: string): boolean {
  return wanted !== '' && (path.endsWith(`/${wanted}`) || path.endsWith(`.${wanted}`))
}

function messageOf(desc: DescMessage, text: string): Message {
  try {
    return fromJsonString(desc, text)
  } catch (err) {
    throw new Error(`${text} is no ${desc.typeName} as JSON`, { cause: err })
  }
}

function targetOf({ target }: CallArguments): string {
  if (target === undefined)
    throw new Error('--target: found nothing, must be host:port or a target')
  return target.includes('://') ? target : `direct:///${target}`
}

function protocolOf({ protocol = 'grpc' }: CallArguments): ClientProtocol {
  const known = protocols.find((each) => each === protocol)
  if (known) return known
  throw new Error(`--protocol: found ${protocol}, must be one of ${protocols.join(', ')}`)
}

function timeoutOf({ timeout = `${defaultSeconds}` }: CallArguments): number {
  const seconds = Number(timeout)
  if (timeout !== '' && seconds > 0) return seconds * 1000
  throw new Error(`--timeout: found ${timeout}, must be seconds above 0, such as 1.5`)
}

function headersOf(given: readonly string[]): [string, string][] {
  return given.map((text) => {
    const [, name, value = ''] = /^([\w-]+)=(.*)$/s.exec(text) ?? []
    if (name === undefined) throw new Error(`--header: found ${text}, must be NAME=VALUE`)
    return [name, value]
  })
}

/** An error of the service as text: its code, its reason and message, and a line for each metadata. */
export function problemOf(err: unknown): unknown {
  if (!(err instanceof ConnectError)) return err
  const [info] = err.findDetails(ErrorInfoSchema)
  const reason = info?.reason ? ` ${info.reason}` : ''
  const metadata = Object.entries(info?.metadata ?? {}).map(
    ([key, value]) => `\n  ${key}: ${value}`,
  )
  return `${connectCodeName(err.code)}${reason}: ${err.rawMessage}${metadata.join('')}`
}
