// `npm run settings` writes docs/settings.md: each setting with its variable and default from
// configs/config.yaml, and with its limits and comment from proto/conf. With `--check` it writes
// nothing and
// fails when the page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { parse } from 'yaml'

import { ConfSchema } from '../src/gen/conf/v1/conf_pb.ts'
import { confComments } from './proto-comments.ts'
import { allowed, isSection } from './setting-limits.ts'
import { project } from './tool.ts'

const page = join(project, 'docs/settings.md')

interface Setting {
  path: string
  field: DescField
  /** The value in the configuration file. */
  shipped: unknown
  text: string
}

const intro = `# Settings

[configs/config.yaml](../configs/config.yaml) is used as it is. \`npm start -- --conf PATH\` reads another file, which needs to contain only what differs from it:

\`\`\`yaml
server:
  http:
    addr: 127.0.0.1:\${PORT:8080}
log:
  level: warn
\`\`\`

\`\${NAME:default}\` is the environment variable \`NAME\`, or the default where it is not set; \`\${NAME}\` must be set. A variable that is set to nothing counts as set. The variables below are the placeholders of \`configs/config.yaml\`: one has no effect on a setting for which your own file gives a plain value.

An unknown key or a value that cannot be used stops the start. Everything that is wrong is told at once, one line each: the path of the setting, the variables that gave its value, what was found (never of DSNs and headers), and what is allowed. A duration is written in seconds: \`1s\`, \`0.5s\`.

This page is generated from the comments and rules of [proto/conf](../proto/conf/v1/conf.proto) and from \`configs/config.yaml\` by \`npm run settings\`.
`

/**
 * The text of docs/settings.md. Throws when a setting has no comment, or no default in config.yaml.
 */
function settingsPage(): string {
  const shipped: unknown = parse(readFileSync(join(project, 'configs/config.yaml'), 'utf8'))
  const comments = confComments()
  return intro + ConfSchema.fields.map((field) => section(field, field.name, shipped)).join('')

  /**
   * A heading with the settings of a message, then those of its parts that have several settings.
   */
  function section(
    field: DescField & { message?: DescMessage },
    path: string,
    above: unknown,
  ): string {
    if (!field.message) throw new Error(`${path} is no section`)
    const parts = field.message.fields
    const own = valueOf(above, field.name, path)
    const rows = parts.flatMap((part) => settingsOf(part, `${path}.${part.name}`, own))
    const below = parts.filter((part) => isSection(part) && part.message.fields.length > 1)
    return [
      `\n${path.includes('.') ? '###' : '##'} ${path}\n`,
      paragraph(comments.get(field.message.typeName)),
      rows.length === 0 ? '' : table(rows),
      ...below.map((part) => section(part, `${path}.${part.name}`, own)),
    ].join('')
  }

  /** A setting, or the only one of a part; none for a part that has a section of its own. */
  function settingsOf(field: DescField, path: string, above: unknown): Setting[] {
    const value = valueOf(above, field.name, path)
    const text = comments.get(`${field.parent.typeName}.${field.name}`) ?? ''
    if (!isSection(field)) {
      if (text === '') throw new Error(`${path} has no comment in proto/conf`)
      return [{ path, field, shipped: value, text }]
    }
    const [only, ...others] = field.message.fields
    if (!only || others.length > 0) return []
    return settingsOf(only, `${path}.${only.name}`, value).map((setting) => ({
      ...setting,
      text: [text || comments.get(field.message.typeName), setting.text].join(' '),
    }))
  }
}

function valueOf(above: unknown, name: string, path: string): unknown {
  const value = (above as Record<string, unknown>)[name]
  if (value === undefined) throw new Error(`configs/config.yaml has no ${path}`)
  return value
}

function paragraph(text = ''): string {
  return text === '' ? '' : `\n${text}\n`
}

function table(settings: Setting[]): string {
  const rows = settings.map(({ path, field, shipped, text }) => {
    const [variable, preset] = inWords(shipped)
    return `| \`${path}\` | ${variable} | ${preset} | ${allowed(field)} | ${text.replaceAll('|', '\\|')} |\n`
  })
  return `\n| Setting | Variable | Default | Allowed | What it does |\n| --- | --- | --- | --- | --- |\n${rows.join('')}`
}

/** The variable of a placeholder, and the default. */
function inWords(shipped: unknown): [variable: string, preset: string] {
  const [, name, preset] = /^\$\{(\w+):(.*)\}$/.exec(String(shipped)) ?? []
  if (name !== undefined) return [`\`${name}\``, code(preset)]
  if (typeof shipped !== 'object' || shipped === null) return ['', code(String(shipped))]
  const entries = Object.entries(shipped).map(([key, value]) => `\`${key}: ${String(value)}\``)
  return ['', entries.join(', ') || 'none']
}

function code(text = ''): string {
  return text === '' ? 'empty' : `\`${text}\``
}

if (import.meta.main) {
  const text = settingsPage()
  const isFresh = () => readFileSync(page, 'utf8') === text
  if (!process.argv.includes('--check')) writeFileSync(page, text)
  else if (!isFresh()) {
    console.error('docs/settings.md is not fresh: run npm run settings')
    process.exitCode = 1
  }
}
