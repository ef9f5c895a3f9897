import { join } from 'node:path'
import { project, tool } from '../tool.ts'
import { withMember, withResult, withReturned, withRpc } from './edit.ts'
import { type Kind, kinds } from './kinds.ts'
import { type Name, nameOf, type Noun, nounOf } from './noun.ts'
import { Refusal } from './refusal.ts'
import * as part from './template/finder.ts'
import { read, requireClean, requireThere, run, write } from './tree.ts'

interface MethodOptions {
  name: string
  method: string
  plural: string | undefined
  dryRun: boolean
}

/** Adds a method that finds a row by a unique field, and gives what to tell. Throws Refusal. */
export function newMethod({ name, method, plural, dryRun }: MethodOptions): string {
  const noun = nounOf(name, plural)
  const files = filesOf(noun)
  requireThere(Object.values(files))
  const edits = Object.entries(changes(finderOf(noun, method), files))
  const written = edits.map(([path, change]): [string, string] => [path, change(read(path))])
  const paths = written.map(([path]) => path)
  const told = ['Changed:', ...paths, 'src/gen', 'docs/openapi.json'].join('\n  ')
  if (dryRun) return `${told}\n\nNothing was written (--dry-run).`
  requireClean()
  write(Object.fromEntries(written))
  const buf = tool('@bufbuild/buf', 'buf')
  run([...buf, 'format', '-w', '--path', files.proto])
  run([...buf, 'generate'])
  run([...tool('oxfmt', 'oxfmt'), ...paths.filter((path) => path.endsWith('.ts'))])
  run([process.execPath, join(project, 'scripts/openapi.ts'), '--write'])
  return `${told}

Next: a line in CHANGELOG.md, git add -A && npm run check, and
  npx node scripts/test.ts ${files.testBiz} ${files.testData} ${files.testE2e}
To undo all of it: git restore --staged --worktree .`
}

function filesOf({ kebab, snake }: Noun) {
  return {
    proto: `proto/api/${snake}/v1/${snake}.proto`,
    service: `src/service/${kebab}.ts`,
    biz: `src/biz/${kebab}.ts`,
    data: `src/data/${kebab}.ts`,
    mysql: `src/data/mysql/${kebab}.ts`,
    sqlite: `src/data/sqlite/${kebab}.ts`,
    testBiz: `test/biz/${kebab}.test.ts`,
    testData: `test/data/${kebab}.test.ts`,
    testE2e: `test/e2e/${kebab}.test.ts`,
  }
}

/** Reads the method's name, and what the resource says of its field. */
function finderOf(noun: Noun, given: string): part.Finder {
  const [, words] = /^FindBy([A-Z][A-Za-z0-9]*)$/.exec(given) ?? []
  if (words === undefined)
    throw new Refusal(
      `a method is FindBy and a unique field, such as FindByIsbn; found ${JSON.stringify(given)}. README.md has the steps for any other ("Add a method")`,
    )
  const files = filesOf(noun)
  const method = named(given)
  if (read(files.proto).includes(`rpc ${given}(`)) throw new Refusal(`${given} is there already`)
  const field = named(words)
  const { kind, rules } = declarationOf(field, read(files.proto), noun)
  if (!read(`src/data/mysql/schema/${noun.kebab}.ts`).includes(`_${field.snake}_unique'`))
    throw new Refusal(
      `${field.snake} is not unique, so that several may be found: that is a list, and its pages are to be thought of`,
    )
  const sample = (n: string) => kind.sample(field.words, n).domain
  return {
    noun,
    field,
    method,
    type: kind.domain,
    proto: { type: kind.proto, rules },
    samples: { there: plain(sample('1')), missing: plain(sample('2')) },
  }
}

/** `FindByIsbn`, in all forms. */
function named(pascal: string): Name {
  const kebab = pascal.replaceAll(/(?<!^)[A-Z]/g, '-$&').toLowerCase()
  return nameOf(kebab)
}

/** The type of a field, and its rules as the request that creates a row has them. */
function declarationOf(
  field: Name,
  proto: string,
  { pascal }: Noun,
): { kind: Kind; rules: string } {
  const request = new RegExp(`^message Create${pascal}Request \\{\\n(?: .*\\n)*\\}`, 'm').exec(
    proto,
  )
  const declared = new RegExp(`^ {2}(?:optional )?([\\w.]+) ${field.snake} = \\d+([^;]*);$`, 'm')
  const [, type = '', rules = ''] = declared.exec(request?.[0] ?? '') ?? []
  const kind = Object.values(kinds).find(({ proto, canBeUnique }) => proto === type && canBeUnique)
  if (kind === undefined)
    throw new Refusal(`Create${pascal}Request has no field ${field.snake} that can be unique`)
  return { kind, rules }
}

/** A template of one number, as the text that it gives. */
function plain(sample: string): string {
  return sample.replace(/^`(.*)\$\{(\d+)\}`$/, "'$1$2'")
}

type Files = ReturnType<typeof filesOf>
type Change = (text: string) => string

function changes(finder: part.Finder, files: Files): Record<string, Change> {
  const { noun, method } = finder
  const { pascal, camel } = noun
  const added = (more: string) => (text: string) => text + more
  return {
    [files.proto]: (text) => withRpc(text, pascal, part.rpc(finder)) + part.request(finder),
    [files.service]: (text) => withReturned(text, `${camel}Service`, part.inService(finder)),
    [files.biz]: (text) =>
      withReturned(
        withMember(text, `${pascal}Repo`, part.inRepo(finder)),
        `${camel}Usecase`,
        part.inUsecase(finder),
      ),
    [files.data]: (text) => withReturned(text, `${camel}Repo`, part.inData(finder)),
    [files.mysql]: (text) =>
      withReturned(
        withResult(
          withReturned(text, `mysql${pascal}Queries`, part.mysqlCall(finder)),
          'statements',
          method.camel,
        ),
        'build',
        part.mysqlStatement(finder),
      ),
    [files.sqlite]: (text) =>
      withReturned(
        withResult(
          withReturned(text, `sqlite${pascal}Queries`, part.sqliteCall(finder)),
          'statements',
          method.camel,
        ),
        'statements',
        part.sqliteStatement(finder),
      ),
    [files.testBiz]: added(part.testBiz(finder)),
    [files.testData]: added(part.testData(finder)),
    [files.testE2e]: added(part.testE2e(finder)),
  }
}
