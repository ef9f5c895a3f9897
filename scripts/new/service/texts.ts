// The texts of a new project that are written, not taken.
import type { Field, Resource } from '../field.ts'
import { capital } from '../template/biz.ts'
import type { Name } from '../noun.ts'

const examples: Readonly<Record<string, (words: string) => unknown>> = {
  string: (words) => `${words} 1`,
  int32: () => 1,
  int64: () => '1',
  bool: () => true,
  double: () => 1.5,
  'google.protobuf.Timestamp': () => '2026-01-02T03:04:05Z',
}

/** A request that creates a row, as JSON. */
function body(fields: readonly Field[]): string {
  const given = fields.map(({ camel, kind, words }) => [camel, examples[kind.proto]?.(words)])
  return JSON.stringify(Object.fromEntries(given))
}

/** The front page. */
export function readme({ kebab }: Name, { noun, fields }: Resource): string {
  const { snake, pascal, many } = noun
  return `# ${kebab}

A service of ${many.words} in TypeScript. [${snake}.proto](proto/api/${snake}/v1/${snake}.proto) defines the API once, and one process serves it as:

- **REST on :8000.** The routes come from the \`google.api.http\` rules in the proto; none is written by hand.
- **Connect, gRPC and gRPC-Web (binary and base64) on :9000**, over HTTP/1.1 and cleartext HTTP/2 on the same port.
- **Prometheus metrics on :9090**, with a dashboard and alerts in \`deploy/\`.

Both ports call the same handlers through the same interceptors, so rules, limits and errors agree. ${capital(many.words)} are stored in MySQL or MariaDB; if no database is configured, in an embedded SQLite file. Node runs the TypeScript sources directly; there is no build step.

## Run and test

You need Node 20 or later with npm, and git. The exact Node version that runs the service is a dev dependency and comes with \`npm ci\`. Linux and macOS are supported; on Windows use WSL.

\`\`\`sh
npm ci && npm start   # serves on :8000, :9000 and :9090; Ctrl-C stops it
npm ci && npm test    # all checks, then the tests, on a MariaDB of their own
\`\`\`

The tests take a \`mariadbd\` or \`mysqld\` that is installed, and another server where \`TEST_MYSQL_DSN\` names one; [.ci/run](.ci/run) lists what else they use.

## Call it

\`\`\`sh
curl localhost:8000/v1/${many.kebab} --json '${body(fields)}'
curl 'localhost:8000/v1/${many.kebab}?page_size=10'
grpcurl -plaintext -d '{"id":1}' localhost:9000 api.${snake}.v1.${pascal}/Get${pascal}
\`\`\`

[localhost:8000/docs](http://localhost:8000/docs) shows the REST API and calls it from the browser; \`/openapi.json\` is its OpenAPI document.

## Where things are

\`\`\`
proto/api/     the API: messages, HTTP rules, field rules, reasons of errors
proto/conf/    the settings and their limits
configs/       config.yaml, which runs as it is
src/main.ts    arguments, environment, signals; src/start.js opens the compile cache before it
src/app.ts     makes every object once; src/app/ has its parts and a module for each noun
src/command/   serve, migrate, routes, config, openapi, call: one file a command
src/service/   wire messages to domain objects and back
src/biz/       ${many.words}, their rules, ${pascal}Repo, DomainError
src/data/      the repository on MySQL and on SQLite
src/server/    both ports: listener, admission, limit, exchange, rpc, auth, interceptor, health, reflection
src/rest/      REST from google.api.http rules
src/client/    calls to other services
src/call/      one call in any protocol
src/gateway/   passes calls of other services on
src/fleet/     announces this instance in etcd or Consul, finds others there and in Kubernetes
src/conf/      configuration files to checked settings
src/telemetry/ traces, metrics and the log
src/memory/    what keeps V8's memory small
src/text/      spelling suggestions, names of codes, host:port, entity tags
src/gen/       generated from proto/; never edited
migrations/    SQL for MySQL and SQLite, one change per file
deploy/        Compose, the Helm chart, dashboard, alerts
test/          mirrors src/; test/e2e has the whole service
docs/          one page per concern
\`\`\`

The rule: **service decides words, biz decides outcomes, data decides SQL.** Imports point one way, server → service → biz ← data, and \`npm run check\` enforces it.

## Change it

- Another field or method: the proto, \`npm run gen\`, then the file of each layer that \`npx tsc\` names, and a migration.
- A method that finds by a unique field, and another resource: \`npm run new\` ([generator](docs/generator.md)).
- What users of the API notice goes into [CHANGELOG.md](CHANGELOG.md).
`
}

/** The table of the pages, by their paths and titles. */
export function pageTable(pages: ReadonlyMap<string, string>): string {
  const links = [...pages].map(([path, text]) => {
    const [, title = path] = /^# (.*)$/m.exec(text) ?? []
    return `[${title}](${path})`
  })
  return `
## Documentation

${links.join(', ')}; [contributing](CONTRIBUTING.md).
`
}

/** The list of changes, which begins. */
export function changelog({ noun }: Resource): string {
  const { snake, pascal, many } = noun
  return `# Changelog

The format is that of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/).

## [0.1.0] - Unreleased

### Added

- ${capital(many.words)}: the service \`api.${snake}.v1.${pascal}\` creates, gets, lists, updates and deletes them.
`
}

interface Manifest {
  name: string
  version: string
  description: string
  scripts: Record<string, string>
  devDependencies: Record<string, string>
}

const ownScripts =
  /^(?:pre)?(?:bench.*|example|interop|conformance|soak|seed|verify.*|chart:cluster)$/

/** package.json without the programs and packages that are left out; \`isUsed\` tells of a package. */
export function manifest(text: string, name: string, isUsed: (name: string) => boolean): string {
  const own = JSON.parse(text) as Manifest
  const { scripts, devDependencies } = own
  const kept = (all: Record<string, string>, isKept: (key: string) => boolean) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => isKept(key)))
  const made: Manifest = {
    ...own,
    name,
    version: '0.1.0',
    scripts: { ...kept(scripts, (key) => !ownScripts.test(key)), gen: 'buf generate' },
    devDependencies: kept(devDependencies, isUsed),
  }
  return `${JSON.stringify(made, null, 2)}\n`
}
