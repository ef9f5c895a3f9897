// What is taken out of files that a new project keeps: each place must be there.
import { cutsOfChart } from './cuts-of-chart.ts'
import { cutsOfPages } from './cuts-of-pages.ts'
import type { Files } from './files.ts'

/** What is found in a text, and what stands there instead. */
export type Cut = [found: RegExp, instead: string]

/** A line, or a block of lines, that begins so. */
const line = (begin: string): Cut => [new RegExp(`^[ \\t]*${begin}.*\\n`, 'm'), '']

const cuts: Readonly<Record<string, readonly Cut[]>> = {
  'src/app/modules.ts': [
    [/user, order, /, ''],
    line('if \\(user\\.enabled\\)'),
    line('if \\(order\\.enabled\\)'),
  ],
  'src/app/services.ts': [
    line('import \\{ userServices'),
    line('import \\{ orderServices'),
    line('user: '),
    line('order: '),
  ],
  'src/app/settings/check.ts': [line('import \\{ checkClients'), line('checkClients\\(')],
  'src/app/settings/services.ts': [
    [/services, clients, gateway/, 'services, gateway'],
    line('const \\{ user, order \\} = services'),
    [/ {2}if \(order\.enabled &&[^]*(?=^\}$)/m, ''],
    [/ has a service, and that each of them finds those that it calls\./, ' has a service.'],
  ],
  'src/app/storage/storage.ts': [[/, coalesceReads, groupWrites/g, '']],
  'src/command/arguments.ts': [
    line('npm run seed'),
    line("users: \\{ type: 'string'"),
    line("users: 'seed'"),
    line('users: string \\| undefined'),
    [/conf, users, target/, 'conf, target'],
    [/conf, users, help/, 'conf, help'],
  ],
  'src/command/command.ts': [
    [/ {2}async seed\([^]*?\n {2}\},\n/, ''],
    line('users: string \\| undefined'),
    [/const \{ users, call \} = asked/, 'const { call } = asked'],
    [/opened, users, call/, 'opened, call'],
  ],
  'src/data/queries.ts': [
    line('import type \\{ NewOrder'),
    line('import type \\{ NewUser'),
    line('import type \\{ ChangeQueries'),
    line('import type \\{ Shared'),
    [/\/\*\* The id of a stored user[^]*?\n\n/, ''],
    line('readonly users:'),
    line('/\\*\\* The history of the users'),
    line('readonly userChanges:'),
    line('readonly orders:'),
    [/\/\*\*\n \* The statements of the users table[^]*?\n\}\n\n/, ''],
    [/\/\*\* An order with one of its items[^]*?\n\n/, ''],
    [/\/\*\*\n \* The statements of orders and products[^]*?\n\}\n\n/, ''],
  ],
  'src/data/mysql/queries.ts': [
    line('import \\{ mysqlChangeQueries'),
    line('import \\{ mysqlOrderQueries'),
    line('import \\{ mysqlUserQueries'),
    line('users: '),
    line('orders: '),
    line('userChanges: '),
  ],
  'src/data/sqlite/queries.ts': [
    line('import \\{ sqliteChangeQueries'),
    line('import \\{ sqliteOrderQueries'),
    line('import \\{ userChanges'),
    line('import \\{ sqliteUserQueries'),
    line('users: '),
    line('orders: '),
    line('userChanges: '),
  ],
  'src/data/mysql/statement.ts': [
    [/\n\/\*\* Takes the text of a query for a number[^]*$/, ''],
    [/, Placeholder as Placed/, ''],
    [/Placeholder, sql \}/, 'Placeholder }'],
  ],
  'src/data/mysql/schema/columns.ts': [[/\n\/\*\* Money, as cents[^]*$/, '']],
  // A resource with a field of this type brings it.
  'src/data/sqlite/schema/columns.ts': [[/\n\/\*\* An integer that a number[^]*$/, '']],
  'src/telemetry/trace/tracing.ts': [[/export type SpanFacts/, 'type SpanFacts']],
  'src/data/statement-observer.ts': [[/\/\*\* Names the call that is recorded\. \*\/\n.*\n\n/, '']],
  'src/data/changes/noted-writes.ts': [[/export type Note /, 'type Note ']],
  'src/data/database.ts': [
    line('import type \\{ Recorder'),
    [/ {2}\/\*\* Given where reads by key[^]*?readonly grouped.*\n/, ''],
  ],
  'src/data/mysql/database.ts': [
    [/ {2}\/\*\* Whether reads by key that come[^]*?groupWrites\?: boolean\n/, ''],
    line('const \\{ coalesceReads'),
    line('coalesced: '),
    line('grouped: '),
  ],
  'proto/conf/v1/services.proto': [
    [/ {2}\/\/ Users\.\n.*\n {2}\/\/ Orders, .*\n.*\n/, ''],
    [/ = 3 \[/, ' = 1 ['],
  ],
  'proto/conf/v1/clients.proto': [[/^message Clients \{\n[^]*?\n\}/m, 'message Clients {}']],
  'proto/conf/v1/data.proto': [
    line('Total total = '),
    line('Watch watch = '),
    [/ {2}\/\/ Whether reads by key[^]*?group_writes = 8;\n/, ''],
    [/\n\/\/ The `total` of lists\.[^]*$/, ''],
  ],
  'proto/conf/v1/gateway.proto': [
    [/target is\n {2}\/\/ as clients\.user\.target and must be given\. protocol/, 'protocol'],
  ],
  'proto/api/errors/v1/error_reason.proto': [
    [/ {2}\/\/ The business refuses\.[^]*?INVALID_USER_INPUT = 3.*\n/, ''],
    [/ {2}\/\/ Changes after the resume_token[^]*?= 5.*\n/, ''],
    [/As INVALID_USER_INPUT, from/, 'A message breaks a rule, of'],
  ],
  'configs/config.yaml': [
    [/ {4}# Whether reads of single users[^]*?DB_GROUP_WRITES.*\n/, ''],
    [/ {2}# The `total` of lists[^]*?WATCH_GAP_TIMEOUT.*\n/, ''],
    [/(?<=process has): orders also need .*/, '.'],
    [/ {2}user:\n.*\n {2}order:\n.*\n/, ''],
    [/^clients:\n {2}# Users, whom[^]*?(?=^# Records in Redis)/m, 'clients: {}\n'],
    [/sa\/orders'/, "sa/shop'"],
  ],
  'proto/conf/v1/auth.proto': [[/sa\/orders/, 'sa/shop']],
  'test/help/app.ts': [line('USER_TIMEOUT: ')],
  'test/app/config/config.test.ts': [[/(?: +'clients\.user\..*\n)+/, '']],
  'scripts/test.ts': [
    line('import \\{ fleetPrograms'),
    [/ {2}const inFleet = [^]*?undefined\n/, ''],
    line('.*writesMigrations\\)\\) '),
    [/\/\*\* Whether a test file makes a resource[^]*?^\}\n\n/m, ''],
    line('\\.\\.\\.\\(await fleet'),
  ],
  'scripts/check.ts': [
    [/ {2}\{\n {4}title: 'generate for tests',[^]*?\n {2}\},\n/, ''],
    [/const generated = .*/, "const generated = ['src/gen']"],
  ],
  'scripts/new/main.ts': [
    [/ `npm run new -- service NAME` writes a project of its own\./, ''],
    line('npm run new -- service'),
    line('dir: '),
    line('resource: '),
    [/ {2}if \(what === 'service'[^]*?\n {2}\}\n/, ''],
    [
      /async function main\(args: string\[\]\): Promise<string>/,
      'function main(args: string[]): string',
    ],
    [/await main/, 'main'],
  ],
  'scripts/pictures/main.ts': [
    [/ With `--trace` it\n[^]*?of the service\./, ''],
    [/ {2}const drawn[^]*?tracePicture\(\)\n/, ''],
    [/entries\(drawn\)\)/g, 'entries(pictures))'],
  ],
  // What these rooms know of users is no matter of another noun.
  'test/rooms.test.ts': [
    [
      /\/\*\* Rooms that serve any noun\. What[^]*?\n\n/,
      "const rooms = 'call client conf data/changes fleet gateway memory rest server telemetry text'.split(\n  ' ',\n)\n\n",
    ],
    [/\/\*\* Words of other meanings[^]*?^\}\n\n/m, ''],
    [
      /\/\*\* The lines in which `found` is left when[^\n]*/,
      '/** The lines in which `found` is. */',
    ],
    [/ {4}\.map\(\(line\) =>\n[^]*? {4}\)\n/, ''],
    [/test\('the rooms that serve any noun[^]*?(?=test\('only the module)/, ''],
  ],
  'test/docs.test.ts': [
    line('import \\{ ErrorReasonSchema as OrderReasonSchema'),
    [
      /\[\.\.\.ErrorReasonSchema\.values, \.\.\.OrderReasonSchema\.values\]/,
      'ErrorReasonSchema.values',
    ],
    [/test\('the start page of docs\/[^]*?(?=test\('each reason)/, ''],
    // Its README has two commands, and nothing of supervisors.
    line("\\{ page: 'README\\.md', start"),
  ],
  '.ci/run': [
    [/# With Go 1\.24 it also[^]*?runs all cases\.\n/, ''],
    [/suite=0 .*\n/, ''],
    [/ "\$suite_log"; .*kill "\$beside"'/, "'"],
    [/ {2}# The suite's own[^]*?beside=\$!\n/, ''],
    [/nice -n 5 /, ''],
    [/ {2}wait "\$beside"[^]*?cat .*\n/, ''],
    [/# 2: the suite could not[^]*?^fi\n\n/m, '\n'],
  ],
  ...cutsOfChart,
  'deploy/helm/examples/everything.yaml': [
    [/ {4}total:\n.*\n.*\n/, ''],
    [/namespaces: \[orders\]/, 'namespaces: [shop]'],
  ],
  'test/deploy/rendered/everything.yaml': [
    [/\[server, orders\]/g, '[server]'],
    [/ {6}total:\n.*\n.*\n/, ''],
    [/namespace: orders/g, 'namespace: shop'],
  ],
  'deploy/helm/user-service/templates/NOTES.txt': [[/\/v1\/users --json '[^']*'/, '/v1/users']],
  'deploy/helm/user-service/files/smoke.mjs': [
    [/a user's life on both ports, and readiness/, 'readiness, and a list on both ports'],
    [
      /unnamed\.forEach[^]*?(?=console\.log\('ok'\))/,
      `const [overRest, overRpc] = unnamed.map(result)
if (overRest.nextPageToken !== (overRpc.nextPageToken ?? ''))
  throw new Error(\`the ports disagree: \${JSON.stringify([overRest, overRpc])}\`)
`,
    ],
  ],
  'tsconfig.json': [[/"bench", "examples", /, '']],
  '.oxlintrc.json': [
    [/, "test\/conformance\/gen\/\*\*"/, ''],
    [/, "bench\/\*\*", "examples\/\*\*"/, ''],
  ],
  '.oxfmtrc.json': [line('"test/conformance/gen')],
  '.vscode/settings.json': [[/, "test\/conformance\/gen\/\*\*": true/, '']],
  '.devcontainer/devcontainer.json': [[/8000, 8080, /, '8000, '], line('"8080": ')],
  'scripts/exports.ts': [[/, 'bench'\]/, ']']],
  'src/data/error.ts': [
    [/ as the schemas name it, `users_email_unique`;/, ' as the schemas name it;'],
  ],
  'src/rest/answer/compress.ts': [[/ \(docs\/performance\.md\)/, '']],
  ...cutsOfPages,
}

/**
 * Takes out of the files what a new project does not have. Throws where something is not there, but in
 * pages, whose words change more often than what they are about.
 */
export function withCuts(files: Files): Files {
  const all = new Map(files)
  for (const [path, edits] of Object.entries(cuts))
    all.set(path, cutText(path, all.get(path), edits))
  return all
}

function cutText(path: string, text: string | undefined, edits: readonly Cut[]): string {
  if (text === undefined) throw new Error(`there is no ${path}`)
  return edits.reduce((left, [found, instead]) => {
    const isThere = found.test(left)
    if (!isThere && path.endsWith('.md')) return left
    if (!isThere) throw new Error(`${path} has no ${found}`)
    found.lastIndex = 0
    return left.replace(found, instead)
  }, text)
}
