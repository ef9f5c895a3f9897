import type { Resource } from '../field.ts'

/** The module of a resource. */
export function appModule({ noun }: Resource): string {
  const { kebab, snake, camel, pascal, many } = noun
  return `import { invalid${pascal}Input, ${camel}Usecase } from '../biz/${kebab}.ts'
import { ${camel}Repo } from '../data/${kebab}.ts'
import { cached${many.pascal} } from '../data/redis/${kebab}.ts'
import { ErrorReason } from '../gen/api/${snake}/v1/error_reason_pb.ts'
import { ${pascal} } from '../gen/api/${snake}/v1/${snake}_pb.ts'
import { ${camel}Service } from '../service/${kebab}.ts'
import { ${camel}Services } from './${kebab}-services.ts'
import { throughCache } from './cache.ts'
import type { Module, Parts } from './module.ts'

/** The module of ${many.words}: serves api.${snake}.v1.${pascal} from the storage of the process. */
export function ${camel}Module({ storage, cache, now, traced }: Parts): Module {
  const cached = cache?.of(cached${many.pascal})
  const { db, reads } = storage
  const stored = ${camel}Repo(db, { reads, changed: cached?.changed })
  const repo = traced('${pascal}Repo', throughCache(stored, cached))
  const usecase = traced('${pascal}UseCase', ${camel}Usecase(repo, now))
  const service = traced('${pascal}Service', ${camel}Service(usecase))
  return {
    services: ${camel}Services,
    reasons: ErrorReason,
    invalid: invalid${pascal}Input,
    routes: (router) => void router.service(${pascal}, service),
  }
}
`
}

/** The list of the RPC services of a resource. */
export function appServices({ noun }: Resource): string {
  const { snake, camel, pascal, many } = noun
  return `import { ${pascal} } from '../gen/api/${snake}/v1/${snake}_pb.ts'

/** The RPC services of ${many.words}. Apart from the module, so that settings are checked before it is loaded. */
export const ${camel}Services = [${pascal}] as const
`
}
