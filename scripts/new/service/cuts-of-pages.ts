import type { Cut } from './cuts.ts'

/** What pages say of this project's nouns, and of outputs and figures of theirs. */
export const cutsOfPages: Readonly<Record<string, readonly Cut[]>> = {
  'CONTRIBUTING.md': [
    [/## The first hour\n[^]*?(?=## Commits)/, ''],
    [/ See \[docs\/testing\.md\]\(docs\/testing\.md\)\./, ''],
    [
      /A new method gets rows[^\n]*both databases\./,
      'A new method gets a case in `test/biz`, in `test/data`, which runs on both databases, and in `test/e2e`, which calls it in all protocols.',
    ],
    [/ Outputs are pasted from a real run; [^]*$/, '\n'],
  ],
  'docs/errors.md': [
    [
      / and `proto\/api\/errors\/v1\/error_reason\.proto` lists all of them but those of orders, which are in.*?`\./,
      ' and the files `error_reason.proto` list all of them.',
    ],
    [/\| `USER_NOT_FOUND`[^]*?(?=\| `PRECONDITION_FAILED`)/, ''],
    [
      /\| `RESUME_TOKEN_EXPIRED`[^]*?(?=\| `\w+_NOT_FOUND` \|.*\n(?:\|.*\n)?\| `INVALID_\w+` .*\n\| `INVALID_ARG)/,
      '',
    ],
    [/"value":"[^"]*"/, '"value":"…"'],
  ],
  'docs/adr/0030-lists-from-read-replicas.md': [
    [/`ListUsers` and its `total` are read/, '`ListUsers` is read'],
  ],
  'docs/architecture.md': [
    [/ On MariaDB a user and the row of its change[^]*?they are four\./, ''],
    [/a test looks for the word and the imports/, 'a test looks for the imports'],
    [/one statement, alone or shared/, 'one statement'],
    [/, and what is asked of other services(?=;)/, ''],
    [/; `customers\.ts`: Connect/, ''],
    [/ Reads by key share statements under load \(.*?\)\)\./, ''],
    [
      / nothing below `src\/app\/` changes otherwise\. Orders are[^]*?(?=\n## |$)/,
      ' nothing below `src/app/` changes otherwise. A test refuses an import of the noun anywhere but in its own files.\n',
    ],
  ],
  'docs/cache.md': [
    [
      /`GetUser` and `GetOrder` ask Redis first\. Lists, searches[^.]*?read the database\./,
      '`GetUser` asks Redis first. Lists and every check before a write read the database.',
    ],
    [/^\| `order:v1.*\n/m, ''],
    [/\| both \|/g, '| the same key |'],
    [/, and the same of orders, with/, ', with'],
    [/ or `OrderCache\.UpdateCache`/, ''],
    [/redis\/order\.ts/, 'redis/user.ts'],
  ],
  'docs/clients.md': [
    [/service: 'orders'/, "service: 'shop'"],
    [/ Those of `clients` in the \[settings\][^]*?without a wire\./, ''],
    [/```console\n\$ npm run -s call ([^\n]*)\n[^]*?```/, '```sh\nnpm run -s call $1\n```'],
    [/\(\) => \(\{ name: 'unknown' \}\)/, '() => ({})'],
  ],
  'docs/gateway.md': [
    [/A table of calls of users runs[^]*?, too\. (?=What differs)/, ''],
    [/ {2}order: \{ enabled: false \}\n/, ''],
    [
      / {4}api\.order\.v1\.Order:\n {6}target: dns:\/\/\/orders:9000/,
      '    api.shop.v1.Shop:\n      target: dns:///shop:9000',
    ],
    [/orders\.binpb/g, 'shop.binpb'],
    [/, "order": \{"enabled": false\}/, ''],
  ],
  'docs/metrics.md': [
    [/ \(`User`, `Order`\)/, ' (`User`)'],
    [/Reads that share a statement [^\n]*\n\n/, ''],
  ],
  'docs/registry.md': [[/'order\.service'/, "'shop.service'"]],
  'docs/tracing.md': [
    [
      /const orders = traced\('OrderUseCase', orderUsecase\(/,
      "const sales = traced('SaleUseCase', saleUsecase(",
    ],
    [/, in a file beside `src\/app\/user-spans\.ts`/, ''],
  ],
  'docs/config.md': [[/^\| `clients\.user.*\n/m, '']],
  'docs/migrations.md': [
    [/0003_user_nick/g, '0001_user_nick'],
    [/,"0001_user_changes","0002_orders"/, ''],
  ],
  'docs/operations.md': [
    [/## Shared statements\n[^]*?(?=## )/, ''],
    [/- \*\*64 at once\.\*\*[^\n]*\n/, ''],
    [/ Resident MiB while [^]*?(?=So 8 costs nothing)/, '\n\n'],
    [/ Less is no gain: [^\n]*/, ''],
  ],
  'docs/generator.md': [
    [/ `npm run verify -- new` makes three[^]*?whenever the tests run\./, ''],
    [/\n\nWhat users have and a new resource does not:[^]*?needed\./, ''],
    [/## A project of its own\n[^]*?(?=## What is refused)/, ''],
    [/ for a project, a folder that is not empty, or in this project;/, ''],
    [/: the \[README\][^]*?has the steps\./, '.'],
    [/\n## Why the texts are in the generator[^]*$/, ''],
  ],
  'docs/deployment.md': [
    [/### Orders apart\n[^]*?(?=### )/, ''],
    [/# a user's life on both ports/, '# readiness, and a list on both ports'],
    [/ How many replicas and\nconnections[^]*?\[scaling\.md\]\(scaling\.md\)\./, ''],
    [/ 36 wrong values/, ' wrong values'],
  ],
}
