import type { Cut } from './cuts.ts'

const templates = 'deploy/helm/user-service/templates'
const onlyServer: Cut = [/\[server, orders\]/g, '[server]']

/** Orders have pods of their own in this project's chart. */
export const cutsOfChart: Readonly<Record<string, readonly Cut[]>> = {
  [`${templates}/deployment.yaml`]: [
    [/^\{\{- \$orders := .*\n/m, ''],
    [/^\{\{- \$credentials := .*\n/m, ''],
    [/ +\{\{- if \$credentials \}\}\n[^]*?\{\{- end \}\}\n/g, ''],
    [/ {2}\{\{- if \$orders \}\}\n.*\n {2}\{\{- else if (?=not)/, '  {{- if '],
    [/ {12}\{\{- if \.Values\.services\.order\.enabled \}\}\n[^]*?value: order\.service\n.*\n/, ''],
    [/\{\{ if \$orders \}\}-orders\{\{ end \}\}/, ''],
    [/\n\{\{- if \.Values\.services\.order\.enabled \}\}\n---\n.*\n\{\{- end \}\}/, ''],
  ],
  [`${templates}/_helpers.tpl`]: [
    [/: those of orders have one of their own\./, '.'],
    [/\{\{ if eq "orders".*?\{\{ end \}\}/, ''],
    [/\{\{\/\* Where orders ask for users[^]*?userTarget \}\}\n\{\{- end \}\}\n\n/, ''],
    [/\{\{\/\* Pods of orders have the settings[^]*?\n\{\{- end \}\}\n\n/, ''],
    [/\{\{\/\* The file by which orders[^]*?\n\{\{- end \}\}\n\n/, ''],
  ],
  [`${templates}/networkpolicy.yaml`]: [
    onlyServer,
    [/ +\{\{- if \$\.Values\.services\.order\.enabled \}\}\n[^]*?\{\{- end \}\}\n/, ''],
    [/ +\{\{- if \.Values\.services\.order\.enabled \}\}\n[^]*?\{\{- end \}\}\n/, ''],
  ],
  [`${templates}/monitoring.yaml`]: [onlyServer],
  [`${templates}/mysql.yaml`]: [onlyServer],
  [`${templates}/service.yaml`]: [
    [/^\{\{- \$orders := .*\n/, ''],
    [/\(or (\.Values\.service\.headless) \$orders\)/, '$1'],
  ],
  'deploy/helm/user-service/values.yaml': [[/^services:\n {2}order:\n[^]*?\n\n/m, '']],
  'deploy/helm/user-service/values.schema.json': [
    [/,\n {4}"services"(?=\n {2}\])/, ''],
    [/^ {4}"services": \{\n[^]*?\n {4}\},\n/m, ''],
  ],
  'deploy/helm/user-service/README.md': [[/(?:\| `services\.order.*\n)+/, '']],
  'scripts/chart-refused.ts': [
    [/ {2}\[\['--set', 'services\.order\.userTarget=.*\n/, ''],
    [/ {2}\[\n {4}\['--set', 'services\.order\.[^]*?\n {2}\],\n/g, ''],
  ],
  ...Object.fromEntries(
    ['default', 'production', 'trial'].map((name) => [
      `test/deploy/rendered/${name}.yaml`,
      [onlyServer],
    ]),
  ),
  'scripts/chart.ts': [[/ {2}orders: \[\n[^]*?\n {2}\],\n/, '']],
  'test/deploy/chart.test.ts': [[/test\('orders have pods of[^]*?\n\}\)\n\n/, '']],
}
