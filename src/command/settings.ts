import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ConfigReader } from '../app/config/reader.ts'
import { originOf } from '../app/config/sources.ts'
import { checkSettings } from '../app/settings/check.ts'
import { whyUnreadable } from '../app/settings/file.ts'
import { readConf } from '../conf/conf.ts'
import { SettingError } from '../conf/error.ts'
import type { Env } from '../conf/placeholder.ts'

const defaultConf = new URL('../../configs/config.yaml', import.meta.url)

/** Reads the program's configuration file, with the file at `path` over it if one is given. */
export function configReader(path: string | undefined, env: Env): ConfigReader {
  const defaults = { text: readFileSync(defaultConf, 'utf8'), origin: 'configs/config.yaml' }
  const own = path === undefined ? undefined : { text: readOwn(path), origin: path }
  const start = own ?? defaults
  return {
    path: path ?? fileURLToPath(defaultConf),
    text: start.text,
    read(documents) {
      const file = [...documents].find(([{ kind }]) => kind === 'file')?.[1]
      const over = [...documents].flatMap(([source, text]) =>
        source.kind === 'file' || text === undefined
          ? []
          : [{ text, origin: originOf(source), remote: true }],
      )
      return readConf(
        { ...start, ...(file !== undefined && { text: file }) },
        { env, over, check: checkSettings(env), ...(own && { defaults }) },
      )
    },
  }
}

function readOwn(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    const problem = `found ${path}, ${whyUnreadable(err)}; must be a YAML file`
    throw new SettingError('--conf', problem)
  }
}
