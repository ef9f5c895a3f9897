// `npm run client -- --out DIR [--name NAME]` makes an npm package of clients for other repositories:
// messages and types from the proto, a Connect client of each service, and a README.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../new/tree.ts'
import { Refusal } from '../new/refusal.ts'
import { project, tool } from '../tool.ts'
import { packedServices } from './services.ts'
import { index, manifest, type Packed, readme, types } from './texts.ts'

const usage = 'usage: npm run client -- --out DIR [--name NAME]'

interface Manifest {
  name: string
  version: string
  dependencies: Record<string, string>
}

/** What the package is called, and the libraries that it is generated for. */
function packed(name: string | undefined): Packed {
  const own = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Manifest
  const peers = ['@bufbuild/protobuf', '@connectrpc/connect'].map((peer) => {
    const version = own.dependencies[peer]
    if (version === undefined) throw new Error(`package.json has no ${peer}`)
    return [peer, version] as const
  })
  return {
    name: name ?? `${own.name}-client`,
    version: own.version,
    peers: Object.fromEntries(peers),
  }
}

/** Without the rules of fields and other extensions, which the service checks. */
function generate(out: string): void {
  const template = {
    version: 'v2',
    plugins: [
      {
        local: 'protoc-gen-es',
        out,
        include_imports: true,
        opt: ['target=js+dts', 'import_extension=js'],
      },
    ],
    inputs: [
      {
        directory: '.',
        paths: ['proto/api', 'third_party/google/rpc/error_details.proto'],
      },
    ],
  }
  run([...tool('@bufbuild/buf', 'buf'), 'generate', '--template', JSON.stringify(template)])
}

async function main(args: string[]): Promise<string> {
  const { values } = parseArgs({
    args,
    options: { out: { type: 'string' }, name: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) return usage
  if (values.out === undefined) throw new Refusal(usage)
  const out = resolve(values.out)
  if (existsSync(out) && readdirSync(out).length > 0)
    throw new Refusal(`${out} is not empty: give a folder that is, or that is not there`)
  mkdirSync(out, { recursive: true })
  const all = packed(values.name)
  const services = await packedServices()
  generate(out)
  writeFileSync(join(out, 'package.json'), manifest(all))
  writeFileSync(join(out, 'index.js'), index(services))
  writeFileSync(join(out, 'index.d.ts'), types(services))
  writeFileSync(join(out, 'README.md'), readme(all, services))
  return `${out}: ${all.name} ${all.version}, clients of ${services.map(({ exported }) => exported).join(', ')}
Next: npm publish ${values.out}, or npm install ${values.out} in the other repository.`
}

try {
  console.log(await main(process.argv.slice(2)))
} catch (err) {
  const isKnown = err instanceof Refusal || (err instanceof TypeError && 'code' in err)
  console.error(isKnown ? err.message : err)
  process.exitCode = 1
}
