import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, type DescMessage } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { createValidator } from '@bufbuild/protovalidate'
import { t, test, type Test } from 'tap'
import { parse } from 'yaml'
import { resourceOf } from '../../scripts/new/field.ts'
import { nounOf } from '../../scripts/new/noun.ts'
import { newFiles } from '../../scripts/new/plan.ts'
import { withoutOtherMeanings } from '../../scripts/new/service/rename.ts'
import { tool } from '../../scripts/tool.ts'
import { type Outcome, projectAt, projectCopy } from '../help/project-copy.ts'

const book = ['title:string', 'pages:int32', 'isbn_number:string@unique', 'sold:timestamp@optional']
const [, tsc] = tool('typescript', 'tsc')

// It compiles a whole project.
t.setTimeout(600_000)

// For the commit of a new project.
for (const who of ['AUTHOR', 'COMMITTER'])
  Object.assign(process.env, {
    [`GIT_${who}_NAME`]: 'test',
    [`GIT_${who}_EMAIL`]: 'test@example.org',
  })

/** A project with tags, made by the generator of a copy of this one. Tests of tags hold a page, too. */
function newService(t: Test) {
  const origin = projectCopy(t)
  const folder = mkdtempSync(join(tmpdir(), 'new-service-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const asked = [
    'service',
    'library',
    '--dir',
    folder,
    '--resource',
    'tag',
    'page:string@unique',
    'uses:int32',
  ]
  const dry = origin.node('scripts/new/main.ts', ...asked, '--dry-run')
  t.equal(dry.status, 0, dry.output)
  t.strictSame(readdirSync(folder), [], 'a dry run writes nothing')
  leavesNothing(t, folder, () => origin.node('scripts/new/main.ts', ...asked))
  const made = origin.node('scripts/new/main.ts', ...asked)
  t.equal(made.status, 0, made.output)
  t.strictSame(origin.changed(), [], 'nothing is written here')
  const again = origin.node('scripts/new/main.ts', ...asked)
  t.match(again, { status: 1, output: /is not empty: give a folder that is/ })
  const project = projectAt(folder)
  t.strictSame(project.changed(), [], 'what it has written is committed')
  t.strictSame(leftOver(project), [], 'names of this project')
  for (const check of ['rooms', 'exports', 'sizes']) {
    const { status, output } = project.node(`scripts/${check}.ts`)
    t.equal(status, 0, output)
  }
  chartTakesItsValues(t, join(folder, 'deploy/helm/library'))
  return project
}

/** Helm refuses a chart whose values lack a section that its schema requires. */
function chartTakesItsValues(t: Test, chart: string): void {
  const [values, schema] = ['values.yaml', 'values.schema.json'].map(
    (name) => parse(readFileSync(join(chart, name), 'utf8')) as object,
  )
  const { required } = schema as { required: string[] }
  t.strictSame(
    required.filter((name) => !Object.hasOwn(values ?? {}, name)),
    [],
  )
}

/** Makes a project while npm fails. */
function leavesNothing(t: Test, folder: string, make: () => Outcome): void {
  const { npm_execpath: npm } = process.env
  process.env.npm_execpath = join(
    t.testdir({ 'npm-cli.js': "throw new Error('no registry')" }),
    'npm-cli.js',
  )
  const { status, output } = make()
  if (npm === undefined) delete process.env.npm_execpath
  else process.env.npm_execpath = npm
  t.equal(status, 1)
  t.match(output, 'Error: no registry', 'the output of npm is text')
  t.notMatch(output, '<Buffer')
  t.strictSame(readdirSync(folder), [], 'a failure leaves nothing')
}

/** Lines that name this project, or what it stores. */
function leftOver({ folder, files }: ReturnType<typeof projectAt>): string[] {
  const names =
    /(?<![A-Za-z])users?(?![a-z])|User|USER|\borders?\.(?:ts|proto|v1)|(?<![a-z])Order[A-Z]|PRODUCT_NOT|bench\//
  const inPages = /\b[Oo]rders\b|\b(?:performance|rest|scaling|testing|watch)\.md\b/
  return files()
    .filter((path) => !/^(?:third_party|src\/gen\/google)\/|^package-lock/.test(path))
    .flatMap((path) => {
      const text = withoutOtherMeanings(path, readFileSync(join(folder, path), 'utf8'))
      const isLeft = (line: string) =>
        names.test(line) || (path.startsWith('docs/') && inPages.test(line))
      const lines = text.split('\n').filter(isLeft)
      return [...(names.test(path) ? [path] : []), ...lines.map((line) => `${path}: ${line}`)]
    })
}

test('a new service takes a new resource, and both pass the type check and their tests', async (t) => {
  const copy = newService(t)
  const dry = copy.node('scripts/new/main.ts', 'resource', 'book', ...book, '--dry-run')
  t.equal(dry.status, 0, dry.output)
  t.strictSame(copy.changed(), [], 'a dry run writes nothing')

  const made = copy.node('scripts/new/main.ts', 'resource', 'book', ...book)
  if (!t.equal(made.status, 0, made.output)) return
  const told = made.output.split('\n').map((line) => line.trim())
  const generated =
    /^(?:src\/gen\/|docs\/(?:openapi\.json|settings\.md)|migrations\/\w+\/meta\/|deploy\/helm\/|test\/deploy\/rendered\/chart\.sha256)/
  t.strictSame(
    copy.changed().filter((path) => !generated.test(path) && !told.includes(path)),
    [],
    'what is written is told',
  )

  copy.commit()
  for (const [method, refusal] of [
    ['FindByTitle', /^title is not unique/],
    ['Lend', /^a method is FindBy and a unique field/],
  ] as const) {
    const refused = copy.node('scripts/new/main.ts', 'method', 'book', method)
    t.match(refused, { status: 1, output: refusal }, method)
  }
  const tests = ['book', 'tag'].flatMap((noun) =>
    ['biz', 'data', 'e2e'].map((room) => `test/${room}/${noun}.test.ts`),
  )
  const config = { extends: './tsconfig.json', include: ['src', ...tests] }
  writeFileSync(join(copy.folder, 'tsconfig.new.json'), JSON.stringify(config))
  const types = copy.node(tsc, '--noEmit', '--project', 'tsconfig.new.json')
  t.equal(types.status, 0, types.output)
  for (const file of tests) {
    const { status, output } = copy.node(file)
    t.equal(status, 0, `${file}\n${status === 0 ? '' : output}`)
  }

  await keepsYears(t, copy.folder)

  const again = copy.node('scripts/new/main.ts', 'resource', 'book', 'title:string')
  t.match(again, { status: 1, output: /^the name is in use: there is proto\/api\/book/ })
  const dirty = copy.node('scripts/new/main.ts', 'resource', 'shelf', 'title:string')
  t.match(dirty, { status: 1, output: /^commit or stash first/ })
  changesTables(t, copy)
})

/** The rule of a time at its edges, on the message that was generated: JSON has no time beyond 9999. */
async function keepsYears(t: Test, folder: string): Promise<void> {
  const { CreateBookRequestSchema } = (await import(
    join(folder, 'src/gen/api/book/v1/book_pb.ts')
  )) as {
    CreateBookRequestSchema: DescMessage
  }
  const second = (date: string) => BigInt(Date.parse(date) / 1000)
  const last = second('9999-12-31T23:59:59Z')
  const validator = createValidator()
  for (const [seconds, nanos, isIn] of [
    [second('0099-12-31'), 0, false],
    [second('1000-01-01') - 1n, 999_999_999, false],
    [second('1000-01-01'), 0, true],
    [last, 999_499_999, true],
    [last, 999_500_000, false],
    [last + 1n, 0, false],
    [10n ** 13n, 0, false],
  ] as const) {
    const { violations = [] } = validator.validate(
      CreateBookRequestSchema,
      create(CreateBookRequestSchema, { sold: create(TimestampSchema, { seconds, nanos }) }),
    )
    const years = violations.filter(({ ruleId }) => ruleId === 'year')
    t.equal(years.length, isIn ? 0 : 1, `${seconds}.${nanos}`)
  }
}

/** Changes the tables of books by migrations alone. */
function changesTables(t: Test, copy: ReturnType<typeof projectAt>): void {
  const migrate = (name: string) => copy.node('scripts/migration.ts', name)
  const edit = (dialect: string, change: (column: string) => string) => {
    const file = join(copy.folder, `src/data/${dialect}/schema/book.ts`)
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^ {4}pages: .*\n/m, change))
  }
  const asLeaves = (column: string) => column.replaceAll('pages', 'leaves')
  t.match(migrate('Leaves of books'), { status: 1, output: /^usage: npm run migration -- NAME/ })
  t.match(migrate('leaves'), { status: 0, output: /^Nothing was written: the schemas/ })
  edit('mysql', (column) => column + asLeaves(column))
  const { status, output } = migrate('leaves')
  t.equal(status, 0, output)
  t.match(
    output,
    /^migrations\/mysql\/0002_leaves\.sql\n\n {2}ALTER TABLE `books` ADD `leaves` int/,
  )
  t.match(
    output,
    /^src\/data\/sqlite\/schema has no change since its last migration: is it still to be made there\?$/m,
  )
  t.notMatch(output, 'AUTOINCREMENT')
  edit('sqlite', asLeaves)
  const renamed = migrate('leaves')
  t.match(renamed, { status: 1, output: /new or has another name now: run this on a terminal$/m })
}

test('a name is told in all its forms', async (t) => {
  const { many, ...one } = nounOf('book-copy')
  t.match(one, {
    kebab: 'book-copy',
    snake: 'book_copy',
    camel: 'bookCopy',
    pascal: 'BookCopy',
    upper: 'BOOK_COPY',
    words: 'book copy',
    a: 'a book copy',
  })
  t.match(many, { kebab: 'book-copies', pascal: 'BookCopies' })
  const plurals = { box: 'boxes', day: 'days', author: 'authors', branch: 'branches' }
  for (const [noun, plural] of Object.entries(plurals)) t.equal(nounOf(noun).many.kebab, plural)
  t.equal(nounOf('person', 'people').many.kebab, 'people')
  t.equal(nounOf('author').a, 'an author')
})

test('a name that cannot be is refused with the reason', async (t) => {
  const cases: [name: string, reason: RegExp][] = [
    ['', /is one word of a-z/],
    ['Book', /found "Book"/],
    ['book_copy', /found "book_copy"/],
    ['../book', /is one word of a-z/],
    ['b'.repeat(33), /at most 32 characters/],
    ['class', /cannot be class, which is reserved in TypeScript/],
    ['date', /reserved in TypeScript and SQL/],
    ['message', /reserved in proto/],
    ['index', /reserved in SQL/],
    // Its table would be called so.
    ['key', /reserved in SQL/],
    ['value', /the plural of a resource cannot be values, which is reserved in SQL/],
  ]
  for (const [name, reason] of cases) t.throws(() => nounOf(name), { message: reason }, name)
})

test('a field that cannot be is refused with the reason', async (t) => {
  const cases: [fields: string[], reason: RegExp][] = [
    [[], /has 1 to 30 fields/],
    [['title'], /a field is name:type/],
    [['title:text'], /the type of title must be one of string, int32, /],
    [['Title:string'], /found "Title:string"/],
    [['title:string@index'], /the mark @index; there are @unique and @optional/],
    [['in_print:bool@unique'], /in_print cannot be @unique/],
    [['id:int64'], /every resource has id of its own/],
    [['created_at:timestamp'], /every resource has created_at/],
    [['title:string', 'title:int32'], /title is there twice/],
    [['book:string'], /a field cannot be called book/],
    [['default:string'], /cannot be default, which is reserved in TypeScript and SQL/],
    [['constructor:string'], /reserved in TypeScript/],
  ]
  for (const [fields, reason] of cases)
    t.throws(() => resourceOf(nounOf('book'), fields), { message: reason }, fields.join(' '))
})

test('what one resource needs and another does not is only in the first', async (t) => {
  const plain = Object.values(newFiles(resourceOf(nounOf('tag'), ['color:string']), 50_120)).join(
    '\n',
  )
  const words =
    /ALREADY_EXISTS|UniqueViolation|uniqueIndex|unlessTaken|timestampDate|null;|\bundefined;/
  t.notMatch(plain, words)
  const full = Object.values(newFiles(resourceOf(nounOf('book'), book), 50_120)).join('\n')
  for (const word of ['BOOK_ALREADY_EXISTS', 'uniqueIndex', 'timestampDate', 'soldTaken'])
    t.equal(full.includes(word), word !== 'soldTaken', word)
  const name = /\buser/i
  t.notMatch(full, name, 'nothing of it is about users')
  t.notMatch(readFileSync(new URL('../../scripts/new/plan.ts', import.meta.url), 'utf8'), name)
})
