// What a new project does not get, by the paths of this one.
import { type Files, importsIn } from './files.ts'

/** Paths, folders (with `/` at their end) and nouns, which stand for the files of theirs in every room. */
const leftOut = [
  // What proves this project, or compares it with others.
  'bench/',
  'examples/',
  'deploy/helm/user-service/templates/orders.yaml',
  'test/deploy/rendered/orders.yaml',
  'test/bench/',
  'test/conformance/',
  'test/interop/',
  'test/fleet/consul/',
  'test/fleet/etcd/',
  'test/fleet/peers/',
  'third_party/connectrpc/',
  'scripts/verify/',
  'scripts/pictures/trace.ts',
  'docs/pictures/trace.svg',
  'scripts/browser-modules.ts',
  'scripts/cluster-discovery.ts',
  'scripts/cluster.ts',
  'scripts/conformance-report.ts',
  'scripts/conformance-runner.ts',
  'scripts/conformance.ts',
  'scripts/fleet-programs.ts',
  'scripts/go-clients.ts',
  'scripts/interop.ts',
  'scripts/soak.ts',
  'scripts/verify-tracing.ts',
  'scripts/verify.ts',
  // What makes projects: the new one makes resources and methods.
  'scripts/new/service/',
  'test/scripts/new',
  // The statements of the tables that are left out; new ones are made.
  'migrations/',
  // What is written anew.
  'CHANGELOG.md',
  'README.md',
  'test/readme.test.ts',
  'test/help/blocks-not-run.ts',
  // It compares docs/rest.md with its tests.
  'test/rest/docs.test.ts',
  // A program that fills the table of users.
  'src/command/seed.ts',
  'src/data/seed.ts',
]

/** Whether the noun of a file is one of these: `src/biz/user-watch.ts` is of `user`. */
function isOf(nouns: readonly string[], path: string): boolean {
  return nouns.some(
    (noun) =>
      new RegExp(`^(?:src|test)/(?:.*/)?${noun}s?(?:-[\\w-]+)?(?:\\.test)?\\.ts$`).test(path) ||
      new RegExp(`^(?:proto|src/gen)/(?:api|cache)/(?:${noun}/|v1/${noun}[._])`).test(path) ||
      path.startsWith(`test/e2e/${noun}s/`),
  )
}

/** The files that a new project begins with: without those of the nouns, and what only these need. */
export function keptOf(files: Files, nouns: readonly string[]): Files {
  return new Map(
    [...files].filter(
      ([path]) => !leftOut.some((start) => path.startsWith(start)) && !isOf(nouns, path),
    ),
  )
}

/** What a test says that is about more than any resource has: fields of users, streams of them. */
const ofUsers =
  /email|phone|\betags?\b|\btotal\b|(?:create|update|export|import|sync|watch)_?users?|coalesce|group_?writes|seedUsers|[a-z]Orders?\b|\/orders\b/i

/**
 * Without files of `src` that the program does not come to, and without tests that speak of users alone
 * or miss what they import.
 */
export function reached(files: Files, generated: (path: string) => boolean): Files {
  const kept = new Map(files)
  const program = reachable(kept, ['src/start.js'])
  for (const [path, text] of files) {
    const isSource = isCode(path) && path.startsWith('src/') && !path.startsWith('src/gen/')
    if (isSource && !program.has(path)) kept.delete(path)
    if (isTest(path) && ofUsers.test(text)) kept.delete(path)
  }
  for (let before = 0; kept.size !== before;) {
    before = kept.size
    for (const [path, text] of kept) if (isTest(path) && misses(path, text)) kept.delete(path)
  }
  const tests = reachable(
    kept,
    [...kept.keys()].filter((path) => path.endsWith('.test.ts')),
  )
  for (const path of kept.keys()) if (isTest(path) && !tests.has(path)) kept.delete(path)
  return kept

  function misses(path: string, text: string): boolean {
    return importsIn(path, text).some(
      (imported) => isCode(imported) && !kept.has(imported) && !generated(imported),
    )
  }
}

const isCode = (path: string) => /\.(?:ts|mjs)$/.test(path)
/** Other programs that tests use are named by their paths. */
const isTest = (path: string) => path.startsWith('test/') && path.endsWith('.ts')

/** The files that these import, with those that the imported ones import. */
function reachable(files: Files, entries: readonly string[]): Set<string> {
  const used = new Set(entries)
  for (const path of used)
    for (const imported of importsIn(path, files.get(path) ?? ''))
      if (files.has(imported) && isCode(imported)) used.add(imported)
  return used
}
