// The parts of a method that finds a row by a field whose values are unique, for each layer.
import type { Name, Noun } from '../noun.ts'

/** A method that finds the row with a value. */
export interface Finder {
  noun: Noun
  field: Name
  /** `findByIsbn`. */
  method: Name
  /** The type of a value in TypeScript. */
  type: string
  /** The field's type and rules in the proto, without label and number. */
  proto: { type: string; rules: string }
  /** Values in tests, one that a row has and one that none has. */
  samples: { there: string; missing: string }
}

export function rpc({ noun, field, method }: Finder): string {
  const { snake, upper, words, many } = noun
  return `
  // Returns the ${words} with this ${field.words}. Fails with ${upper}_NOT_FOUND.
  rpc ${method.pascal}(${method.pascal}Request) returns (Get${noun.pascal}Reply) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (api.${snake}.v1.errors) = ${upper}_NOT_FOUND;
    option (api.${snake}.v1.errors) = INVALID_${upper}_INPUT;
    option (api.errors.v1.errors) = DATABASE_UNAVAILABLE;
    option (api.auth.v1.scopes) = "${many.kebab}:read";
    option (google.api.http) = {get: "/v1/${many.kebab}:${method.camel}"};
  }
`
}

export function request({ field, method, proto }: Finder): string {
  return `
message ${method.pascal}Request {
  ${proto.type} ${field.snake} = 1${proto.rules};
}
`
}

export function inService({ noun, field, method }: Finder): string {
  return `async ${method.camel}(request, { signal }) {
      return toReply(await ${noun.many.camel}.${method.camel}(request.${field.camel}, signal))
    }`
}

export function inRepo({ noun, field, method, type }: Finder): string {
  return `${method.camel}(${field.camel}: ${type}, signal: AbortSignal): Promise<${noun.pascal} | undefined>`
}

export function inUsecase(finder: Finder): string {
  const { noun, field, method, type } = finder
  const { pascal, upper, words } = noun
  return `
    /** Fails with ${upper}_NOT_FOUND. */
    async ${method.camel}(${field.camel}: ${type}, signal: AbortSignal): Promise<${pascal}> {
      const found = await repo.${method.camel}(${field.camel}, signal)
      if (found) return found
      throw new DomainError<Reason>({
        kind: 'not_found',
        reason: '${upper}_NOT_FOUND',
        message: 'there is no ${words} with this ${field.words}',
        metadata: { ${inMetadata(finder)} },
      })
    }`
}

/** The value that was looked for, as a text. */
function inMetadata({ field: { camel, snake }, type }: Finder): string {
  if (type !== 'string') return `${snake}: String(${camel})`
  return camel === snake ? snake : `${snake}: ${camel}`
}

export function inData({ noun, field, method }: Finder): string {
  const { many } = noun
  return `${method.camel}: (${field.camel}, signal) =>
      db.use(signal, ({ ${many.camel} }) => ${many.camel}.${method.camel}(${field.camel}))`
}

export function mysqlCall({ field, method }: Finder): string {
  return `${method.camel}: async (${field.camel}) => (await rows(${method.camel}.sql, [${field.camel}]))[0]`
}

export function sqliteCall({ field, method }: Finder): string {
  return `${method.camel}: async (${field.camel}) => ${method.camel}.get({ ${field.camel} })`
}

export function mysqlStatement(finder: Finder): string {
  return `${finder.method.camel}: statement(${rowsWhere(finder)})`
}

export function sqliteStatement(finder: Finder): string {
  return `${finder.method.camel}: ${rowsWhere(finder)}.prepare()`
}

function rowsWhere({ noun, field }: Finder): string {
  return `rows().where(eq(${noun.many.camel}.${field.camel}, placeholder('${field.camel}')))`
}

export function testBiz({ noun, field, method, type, samples }: Finder): string {
  const text = type === 'string' ? samples.missing : `String(${samples.missing})`
  const { words, upper, many } = noun
  return `
test('${noun.a} is found by its ${field.words}, and is not_found where none has it', async (t) => {
  const ${many.camel} = usecase({
    ${method.camel}: async (asked) => (asked === one.${field.camel} ? one : undefined),
  })
  t.strictSame(await ${many.camel}.${method.camel}(${samples.there}, signal), one)
  t.match(await t.rejects(${many.camel}.${method.camel}(${samples.missing}, signal)), {
    kind: 'not_found',
    reason: '${upper}_NOT_FOUND',
    message: 'there is no ${words} with this ${field.words}',
    metadata: { ${field.snake}: ${text} },
  })
})
`
}

export function testData({ noun, field, method, samples }: Finder): string {
  const { pascal, many } = noun
  return `
suite('${noun.a} is found by its ${field.words}', async (t, ${many.camel}) => {
  const id = await ${many.camel}.insert(new${pascal}(1), signal)
  await ${many.camel}.insert(new${pascal}(3), signal)
  t.strictSame(await ${many.camel}.${method.camel}(${samples.there}, signal), { id, ...new${pascal}(1) })
  t.equal(await ${many.camel}.${method.camel}(${samples.missing}, signal), undefined)
})
`
}

export function testE2e({ noun, field, method, samples }: Finder): string {
  const { pascal, upper, many } = noun
  return `
test('${noun.a} is found by its ${field.words} over each protocol', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  const all = clients(t, app)
  const created = await all[0]?.[1].create${pascal}(fieldsOf(1))
  for (const [protocol, ${many.camel}] of all) {
    const same = { ${field.camel}: fieldsOf(1).${field.camel} }
    t.strictSame(await ${many.camel}.${method.camel}(same), created, protocol)
    const missing = ${many.camel}.${method.camel}({ ${field.camel}: ${samples.missing} })
    t.match(await refusal(missing), { reason: '${upper}_NOT_FOUND', named: ['${field.snake}'] }, protocol)
  }
})
`
}
