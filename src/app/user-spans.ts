import type { UserFields, UserUsecase } from '../biz/user.ts'
import type { Describe, SpanFacts } from '../telemetry/trace/tracing.ts'

const user = {
  id: 'user.id',
  name: 'user.name',
  email: 'user.email',
  phone: 'user.phone',
} as const

const list = {
  page: 'pagination.page',
  size: 'pagination.size',
  after: 'pagination.after',
  total: 'result.total',
  count: 'result.count',
} as const

const byId = (id: bigint): SpanFacts => ({ [user.id]: String(id) })

/**
 * The attributes of the spans of the use case: user id, page and counts; names, mail addresses and
 * phone numbers only if `personalData` is true.
 */
export function userSpans(personalData: boolean): Describe<UserUsecase> {
  function fieldFacts({ name, email, phone }: Partial<UserFields>): SpanFacts {
    if (!personalData) return {}
    return {
      ...(name !== undefined && { [user.name]: name }),
      ...(email !== undefined && { [user.email]: email }),
      ...(phone !== undefined && { [user.phone]: phone }),
    }
  }
  return {
    create: { call: fieldFacts, result: ({ id }) => byId(id) },
    get: { call: byId, result: fieldFacts },
    list: {
      call: (query) =>
        'page' in query
          ? { [list.page]: query.page, [list.size]: query.size }
          : { [list.after]: String(query.after), [list.size]: query.size },
      result: ({ users, total }) => ({ [list.count]: users.length, [list.total]: total }),
    },
    update: { call: (id, changes) => ({ ...byId(id), ...fieldFacts(changes) }) },
    delete: { call: byId },
  }
}
