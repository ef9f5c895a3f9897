import type { Field, Resource } from '../field.ts'

/** The rules of a resource, and what it needs of a storage. */
export function biz({ noun, fields, unique }: Resource): string {
  const { camel, pascal, words, upper, snake, many, a } = noun
  const taken = unique.map((field) => field.words).join(' or ')
  const fails =
    unique.length > 0 ? ` Fails with ${upper}_ALREADY_EXISTS if its ${taken} is in use.` : ''
  return `import type { ErrorReason } from '../gen/api/${noun.snake}/v1/error_reason_pb.ts'
import { DomainError, type FieldViolation, invalidInput, type ReasonOf } from './error.ts'

type Reason = ReasonOf<typeof ErrorReason>

/** The fields of ${a} that clients set.${nulls(fields)} */
export interface ${pascal}Fields {
${fields.map(({ camel, kind, isOptional }) => `  ${camel}: ${kind.domain}${isOptional ? ' | null' : ''}`).join('\n')}
}

/** ${capital(a)} to store, without the id that the database assigns. */
export interface New${pascal} extends ${pascal}Fields {
  createdAt: Date
}

/** A stored ${words}. */
export interface ${pascal} extends New${pascal} {
  id: bigint
}

/**
 * Storage of ${many.words}. Every call fails with DATABASE_UNAVAILABLE if the database cannot be used,
 * and with the reason of the signal if the signal aborts first. A write that fails so may still have
 * happened.
 */
export interface ${pascal}Repo {
  /** Stores ${a} and returns its id.${fails} */
  insert(${camel}: New${pascal}, signal: AbortSignal): Promise<bigint>
  find(id: bigint, signal: AbortSignal): Promise<${pascal} | undefined>
  /** ${capital(many.words)} by ascending id, from the one after \`id\` on; may be read from a replica that lags behind. */
  after(id: bigint, limit: number, signal: AbortSignal): Promise<${pascal}[]>
  /**
   * Changes the given fields and returns the ${words} after this change; undefined if there is none.${fails}
   */
  update(id: bigint, changes: Partial<${pascal}Fields>, signal: AbortSignal): Promise<${pascal} | undefined>
  /** False if there was none. */
  delete(id: bigint, signal: AbortSignal): Promise<boolean>
}

/** One page of the list, by ascending id. */
interface ${pascal}Page {
  ${many.camel}: ${pascal}[]
  /** The id after which the next page starts; undefined on the last page. */
  next: bigint | undefined
}

const defaultPageSize = 20
const maxPageSize = 100

/** The operations on ${many.words}, as ${camel}Usecase makes them. */
export type ${pascal}Usecase = ReturnType<typeof ${camel}Usecase>

/**
 * The rules of ${many.words}. \`now\` gives the time of creation. Fields must be valid by the rules in
 * ${snake}.proto, which the validate interceptor has checked.
 */
export function ${camel}Usecase(repo: ${pascal}Repo, now: () => Date) {
  return {
    ${unique.length > 0 ? `/** Fails with ${upper}_ALREADY_EXISTS if its ${taken} is in use. */\n    ` : ''}async create(fields: ${pascal}Fields, signal: AbortSignal): Promise<${pascal}> {
      const ${camel} = { ...fields, createdAt: now() }
      return { id: await repo.insert(${camel}, signal), ...${camel} }
    },

    /** Fails with ${upper}_NOT_FOUND. */
    async get(id: bigint, signal: AbortSignal): Promise<${pascal}> {
      return (await repo.find(id, signal)) ?? notFound(id)
    },

    /**
     * The page after an id; \`size\` 0 is the default. Reads one row more than the page has, which shows
     * whether it is the last.
     */
    async list(after: bigint, size: number, signal: AbortSignal): Promise<${pascal}Page> {
      const length = Math.min(size || defaultPageSize, maxPageSize)
      const rows = await repo.after(after, length + 1, signal)
      const ${many.camel} = rows.slice(0, length)
      return { ${many.camel}, next: rows.length > length ? ${many.camel}.at(-1)?.id : undefined }
    },

    /** Fails with ${upper}_NOT_FOUND${unique.length > 0 ? ` and ${upper}_ALREADY_EXISTS` : ''}. */
    async update(
      id: bigint,
      changes: Partial<${pascal}Fields>,
      signal: AbortSignal,
    ): Promise<${pascal}> {
      return (await repo.update(id, changes, signal)) ?? notFound(id)
    },

    /** Fails with ${upper}_NOT_FOUND. */
    async delete(id: bigint, signal: AbortSignal): Promise<void> {
      if (!(await repo.delete(id, signal))) notFound(id)
    },
  }
}

/**
 * The error of a request with invalid fields, as invalidInput makes it, with INVALID_${upper}_INPUT.
 */
export function invalid${pascal}Input(broken: readonly FieldViolation[], further = 0): DomainError {
  return invalidInput<Reason>('INVALID_${upper}_INPUT', broken, further)
}

function notFound(id: bigint): never {
  throw new DomainError<Reason>({
    kind: 'not_found',
    reason: '${upper}_NOT_FOUND',
    message: \`there is no ${words} \${id}\`,
    metadata: { ${snake}_id: String(id) },
  })
}
`
}

/** A text with its first letter as a capital. */
export function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

function nulls(fields: readonly Field[]): string {
  return fields.some(({ isOptional }) => isOptional) ? ' One that is null has no value.' : ''
}
