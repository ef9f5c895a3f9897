// `npm run new -- resource NAME FIELD…` writes a resource: all that the service has of a noun, from the
// proto to the tests; `npm run new -- method NAME FindByFIELD` adds a method to one. docs/generator.md has
// the fields and what is written. `npm run new -- service NAME` writes a project of its own.
import { parseArgs } from 'node:util'
import { Refusal } from './refusal.ts'
import { newMethod } from './method.ts'
import { newResource } from './resource.ts'

const usage = `usage: npm run new -- resource NAME FIELD… [--plural NAME] [--dry-run]
       npm run new -- method NAME FindByFIELD [--plural NAME] [--dry-run]
       npm run new -- service NAME --dir FOLDER --resource NAME FIELD… [--plural NAME] [--dry-run]

NAME is one of them: book, book-copy. A FIELD is name:type, the type one of string, int32, int64, bool,
double and timestamp, with @unique or @optional after it: isbn:string@unique.`

async function main(args: string[]): Promise<string> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'dry-run': { type: 'boolean' },
      plural: { type: 'string' },
      dir: { type: 'string' },
      resource: { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  const [what, name, ...rest] = positionals
  if (values.help) return usage
  const options = { plural: values.plural, dryRun: values['dry-run'] ?? false }
  if (what === 'service' && name !== undefined) {
    const { newService } = await import('./service/service.ts')
    const { dir, resource } = values
    return newService({ name, dir, resource, fields: rest, ...options })
  }
  if (what === 'resource' && name !== undefined)
    return newResource({ name, fields: rest, ...options })
  const [method, ...others] = rest
  if (what === 'method' && name !== undefined && method !== undefined && others.length === 0)
    return newMethod({ name, method, ...options })
  throw new Refusal(usage)
}

try {
  console.log(await main(process.argv.slice(2)))
} catch (err) {
  const isKnown = err instanceof Refusal || (err instanceof TypeError && 'code' in err)
  console.error(isKnown ? err.message : err)
  process.exitCode = 1
}
