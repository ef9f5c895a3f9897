import type { Message } from '@bufbuild/protobuf'

import { ConfSchema, type Conf as ConfMessage } from '../gen/conf/v1/conf_pb.ts'
import { decode } from './decode.ts'
import type { Env } from './placeholder.ts'

/** A message of which no part is missing: each message field of Conf is `required`. */
type Complete<M> = M extends Message
  ? Pick<M, keyof M & `$${string}`> & {
      [K in Exclude<keyof M, `$${string}`>]-?: Complete<NonNullable<M[K]>>
    }
  : M

export type Conf = Complete<ConfMessage>

/**
 * Reads the text of a configuration file; `origin` is the file's name in messages.
 * Throws a ConfError that names each problem.
 */
export function loadConf(text: string, env: Env, origin: string): Conf {
  // The rules have just refused a message with a part missing.
  return decode(ConfSchema, { text, env, origin }) as Conf
}
