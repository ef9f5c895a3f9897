import type { Message } from '@bufbuild/protobuf'

import { ConfSchema, type Conf as ConfMessage } from '../gen/conf/v1/conf_pb.ts'
import { type ConfFile, decode, type ProblemReport } from './decode.ts'
import type { Env } from './placeholder.ts'
import type { Given } from './problems.ts'

/** A message of which no part is missing: each message field of Conf is `required`. */
export type Complete<M> = M extends Message
  ? Pick<M, keyof M & `$${string}`> & {
      [K in Exclude<keyof M, `$${string}`>]-?: Complete<NonNullable<M[K]>>
    }
  : M

/** The configuration after its check: each part is there. */
export type Conf = Complete<ConfMessage>

/** Finds what the rules of the proto cannot say. Durations may be missing where others are wrong. */
export type ConfCheck = (conf: Conf, report: ProblemReport) => void

/** Options for reading the configuration. */
interface Reading {
  env: Env
  /** Gives the values that the file leaves out, so that a file for an older release goes on working. */
  defaults?: ConfFile | undefined
  /** Documents that count over the file, the last over those before it. */
  over?: readonly ConfFile[] | undefined
  check?: ConfCheck | undefined
}

/** The configuration, and where it comes from. */
export interface NamedConf {
  conf: Conf
  /** The path of a setting as messages name it: with its variables. */
  named: (path: string) => string
  /** Where the value of a setting comes from, by its path. */
  given: ReadonlyMap<string, Given>
}

/** Reads a configuration file. Throws a ConfError that names each problem. */
export function readConf(file: ConfFile, { env, defaults, over, check }: Reading): NamedConf {
  const { message, named, given } = decode(ConfSchema, {
    file,
    env,
    defaults,
    over,
    check: (message, report) => check?.(message as Conf, report),
  })
  // The rules have just rejected a message with a part missing.
  return { conf: message as Conf, named, given }
}

/** Reads a configuration file without any check but the rules of the proto; see `readConf`. */
export function loadConf(file: ConfFile, env: Env, defaults?: ConfFile): Conf {
  return readConf(file, { env, defaults }).conf
}
