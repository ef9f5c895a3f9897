import { join } from 'node:path'
import { test, type Test } from 'tap'
import { folderOf, installCommand, isInstalled, load } from '../../scripts/on-demand.ts'

const folder = folderOf('google-gax')

/** Why tests of google-gax are skipped; false where it is there, and in CI, where they must run. */
const skip =
  isInstalled(folder) || process.env.CI !== undefined
    ? false
    : `google-gax is not installed: \`${installCommand('google-gax')}\`, or scripts/test.ts, installs it`

/** A test that needs google-gax. */
export function gaxTest(title: string, body: (t: Test) => Promise<void>): void {
  void test(title, { skip }, body)
}

/** A method of a client: it gives a stream where the method has one, and calls `done` where not. */
export type GaxCall = (
  request: object,
  metadata: object,
  options: object,
  done?: (err: Error | null, response: Record<string, unknown>) => void,
) => unknown

/** What is used of the package. Its own types are not there before it is. */
interface Gax {
  fallback: {
    GrpcClient: new (options: object) => {
      createStub(service: object, options: object): Promise<Record<string, GaxCall>>
    }
  }
  protobuf: {
    Root: new () => {
      resolvePath(origin: string, target: string): string
      load(file: string): Promise<{ lookupService(name: string): object }>
    }
  }
}

interface Asked {
  /** The path of the proto, and the full name of the service in it. */
  proto: string
  service: string
  port: number
  /** Sends a request: a fetch that takes what gax gives. */
  fetch: (url: string, request: RequestInit & { headers: Headers }) => Promise<object>
  numericEnums?: boolean
  minifyJson?: boolean
}

/** The client that Google's libraries use over REST: gives its methods by their names in lower camel case. */
export async function gaxClient(asked: Asked): Promise<(method: string) => GaxCall> {
  const { proto, service, port, fetch, ...options } = asked
  const { fallback, protobuf } = load('google-gax') as Gax
  const protos = join(folder, 'node_modules/google-gax/build/protos')
  const root = new protobuf.Root()
  root.resolvePath = (origin, target) =>
    origin === '' ? target : join(protos, target.replace(/^.*?(?=google\/)/, ''))
  const described = (await root.load(proto)).lookupService(service)
  const auth = { getRequestHeaders: async () => new Headers(), fetch }
  const client = new fallback.GrpcClient({ ...options, auth, fallback: 'rest' })
  const address = { servicePath: '127.0.0.1', port, protocol: 'http' }
  const stub = await client.createStub(described, address)
  return (method) => {
    const call = stub[method]
    if (call === undefined) throw new Error(`${service} has no method ${method}`)
    return call
  }
}
