import type { Message } from '@bufbuild/protobuf'

import { ConfSchema, type Conf as ConfMessage } from '../gen/conf/v1/conf_pb.ts'
import { type ConfFile, decode } from './decode.ts'
import type { Env } from './placeholder.ts'

/** A message of which no part is missing: each message field of Conf is `required`. */
type Complete<M> = M extends Message
  ? Pick<M, keyof M & `$${string}`> & {
      [K in Exclude<keyof M, `$${string}`>]-?: Complete<NonNullable<M[K]>>
    }
  : M

export type Conf = Complete<ConfMessage>

/**
 * Reads a configuration file. What it leaves out has the value that `defaults` gives it, so that a
 * file written for an older release goes on working. Throws a ConfError that names each problem.
 */
export function loadConf(file: ConfFile, env: Env, defaults?: ConfFile): Conf {
  // The rules have just refused a message with a part missing.
  return decode(ConfSchema, { file, env, defaults }) as Conf
}
