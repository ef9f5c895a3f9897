import type { DescMethod } from '@bufbuild/protobuf'
import { hasOneMessage } from './unread-body.ts'

const unary = ['application/json', 'application/proto']
const streams = ['application/connect+json', 'application/connect+proto']
const enveloped = ['grpc', 'grpc+proto', 'grpc+json', 'grpc-web', 'grpc-web+proto', 'grpc-web+json']
const text = ['grpc-web-text', 'grpc-web-text+proto']

/** The content types of the calls of a method; those of a unary one where the method is not known. */
export function bodyTypes(method: DescMethod | undefined) {
  const isUnary = method === undefined || method.methodKind === 'unary'
  // grpc-web-text is read as one message.
  const others = isUnary || hasOneMessage(method) ? [...enveloped, ...text] : enveloped
  const types = [...(isUnary ? unary : streams), ...others.map((name) => `application/${name}`)]
  return { header: 'Accept-Post', list: types.join(', ') } as const
}
