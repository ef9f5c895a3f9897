// The chart's README: what a user of the chart needs first, then a table of the values and their comments.
import { isMap, isPair, parseDocument, type Pair, type Scalar } from 'yaml'

const intro = `# user-service, a Helm chart

\`\`\`sh
helm install users . --namespace users --create-namespace --set mysql.enabled=true  # a trial, with a MySQL of its own
helm install users . --namespace users -f ../examples/production.yaml               # a database that is there already
helm test users --namespace users
\`\`\`

[docs/deployment.md](../../../docs/deployment.md) explains the choices. \`values.schema.json\` refuses a
key that is not in this table and a value out of its range.

This file is generated from the comments of \`values.yaml\` by \`npm run chart:files\`.

| Value | Default | What it does |
| --- | --- | --- |
`

interface Row {
  path: string
  preset: string
  text: string
}

/** The README for the text of a values.yaml. Throws when a value has no description. */
export function chartReadme(values: string): string {
  const { contents } = parseDocument(values)
  if (!isMap(contents)) throw new Error('values.yaml is no mapping')
  const rows = contents.items.flatMap((item, index) =>
    isPair(item)
      ? rowsOf(item as Pair<Scalar>, '', index === 0 ? contents.commentBefore : undefined)
      : [],
  )
  const line = ({ path, preset, text }: Row) => `| \`${path}\` | \`${preset}\` | ${text} |\n`
  return intro + rows.map(line).join('')
}

function rowsOf(pair: Pair<Scalar>, parent: string, outer?: string | null): Row[] {
  const path = parent === '' ? String(pair.key.value) : `${parent}.${String(pair.key.value)}`
  const text = description(pair.key.commentBefore ?? outer)
  if (text !== undefined) {
    const value = (pair.value as { toJSON: () => unknown } | null)?.toJSON()
    return [{ path, preset: JSON.stringify(value), text }]
  }
  if (!isMap(pair.value)) throw new Error(`values.yaml: ${path} has no description`)
  const map = pair.value
  return map.items.flatMap((item, index) =>
    rowsOf(item as Pair<Scalar>, path, index === 0 ? map.commentBefore : undefined),
  )
}

/** The line that begins with `--`, and what continues it. */
function description(comment: string | null | undefined): string | undefined {
  const [, text] = /^ -- ([\s\S]*)$/m.exec(comment ?? '') ?? []
  return text?.replaceAll(/\n */g, ' ').replaceAll('|', '\\|')
}
