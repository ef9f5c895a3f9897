import { clone, type DescField, type DescMessage, getOption } from '@bufbuild/protobuf'

import { ConfSchema } from '../gen/conf/v1/conf_pb.ts'
import { live } from '../gen/conf/v1/live_pb.ts'
import type { Conf } from './conf.ts'
import { isDuration, isSecret } from './leaf.ts'

/** A setting of the proto. */
interface Setting {
  /** Such as `server.http.addr`. */
  path: string
  /** Whether a change is applied while the service runs. */
  live: boolean
  secret: boolean
  /** Names of the properties that lead to its value. */
  steps: readonly string[]
}

/** The configuration in force, as liveConf makes it. */
export type LiveConf = ReturnType<typeof liveConf>

/** Every setting, in the order of the proto. */
export const settings: readonly Setting[] = settingsOf(ConfSchema, {
  path: '',
  live: false,
  steps: [],
})

/** Holds a configuration of which the settings marked `(conf.v1.live)` can change. */
export function liveConf(first: Conf) {
  let current = first
  const told = new Set<(conf: Conf) => void>()

  /** Calls `apply` with the configuration after each change of a setting that can change. */
  function follow(apply: (conf: Conf) => void): void {
    told.add(apply)
  }

  return {
    current: () => current,
    follow,
    /** An object that always has the values which `read` gives for the configuration in force. */
    values<T extends object>(read: (conf: Conf) => T): T {
      const values = read(current)
      follow((conf) => Object.assign(values, read(conf)))
      return values
    },
    /**
     * Applies the settings of `next` that can change. Gives the paths of those that are different from
     * before, and of those that need a restart to become as they are in `next`.
     */
    take(next: Conf): { applied: string[]; waiting: string[] } {
      const changed = changesOf(current, next)
      const applied = changed.filter((setting) => setting.live)
      if (applied.length > 0) {
        current = withSettings(current, next, applied)
        for (const apply of told) apply(current)
      }
      return {
        applied: applied.map(({ path }) => path),
        waiting: changed.filter((setting) => !setting.live).map(({ path }) => path),
      }
    },
  }
}

/** The settings that have other values. */
export function changesOf(before: Conf, after: Conf): Setting[] {
  return settings.filter((setting) => textOf(before, setting) !== textOf(after, setting))
}

/** The value of a setting; a Duration is a message. */
export function valueOf(conf: Conf, { steps }: Pick<Setting, 'steps'>): unknown {
  return steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], conf)
}

/** The value of a setting as a text, to compare it. */
export function textOf(conf: Conf, setting: Pick<Setting, 'steps'>): string {
  return JSON.stringify(valueOf(conf, setting), (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
}

function withSettings(before: Conf, after: Conf, taken: readonly Setting[]): Conf {
  // A copy has the parts of what it is made from.
  const copy = clone(ConfSchema, before) as Conf
  for (const { steps } of taken) {
    const parent = valueOf(copy, { steps: steps.slice(0, -1) }) as Record<string, unknown>
    parent[steps.at(-1) ?? ''] = valueOf(after, { steps })
  }
  return copy
}

function settingsOf(
  { fields }: DescMessage,
  above: Pick<Setting, 'path' | 'live' | 'steps'>,
): Setting[] {
  return fields.flatMap((field) => {
    const path = above.path === '' ? field.name : `${above.path}.${field.name}`
    const steps = [...above.steps, field.localName]
    const setting = { path, steps, live: above.live || getOption(field, live) }
    return isPart(field)
      ? settingsOf(field.message, setting)
      : [{ ...setting, secret: isSecret(field) }]
  })
}

function isPart(field: DescField): field is DescField & { message: DescMessage } {
  return field.fieldKind === 'message' && !isDuration(field)
}
