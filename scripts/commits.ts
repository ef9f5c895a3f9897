// The messages of the commits after the one in .ci/commits-since: `type(scope): subject` of at most
// 72
// characters, and a body that says why. Commits before that one are as they are.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { project } from './tool.ts'

const types = ['feat', 'fix', 'perf', 'refactor', 'docs', 'test', 'build', 'ci', 'chore', 'revert']
/** Types that need neither a scope nor a body: their subject says enough. */
const shortTypes = new Set(['docs', 'test'])
const maxSubject = 72

/** The problems of the message of a commit; empty if it has none. */
export function messageFaults(message: string): string[] {
  const [subject = '', ...rest] = message.trim().split('\n')
  const [, type = '', scope] = /^([a-z]+)(?:\(([\w./-]+)\))?!?: \S/.exec(subject) ?? []
  const faults: string[] = []
  if (!types.includes(type)) {
    faults.push(`the subject is no "type(scope): …" with a type of ${types.join(', ')}`)
  } else if (scope === undefined && !shortTypes.has(type)) {
    faults.push(`${type} needs a scope, the folder that changes: "${type}(folder): …"`)
  }
  const { length } = Array.from(subject)
  if (length > maxSubject) {
    faults.push(`the subject has ${length} characters, ${maxSubject} are allowed`)
  }
  if (!shortTypes.has(type) && !rest.some(isText)) faults.push('there is no body that says why')
  return faults
}

function isText(line: string): boolean {
  return line.trim() !== '' && !/^(signed-off|co-authored)-by:/i.test(line)
}

/** The result of checkCommits. */
interface Checked {
  /** The number of checked commits, or the reason why none was checked. */
  note: string
  problems: string[]
}

/** Checks the commits of the clone in `folder` that come after `base`, or all if it is empty; merges left out. */
export function checkCommits(folder: string, base: string): Checked {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: folder, encoding: 'utf8' })
  const skipped = (why: string): Checked => ({ note: `not checked: ${why}`, problems: [] })
  if (git('rev-parse', '--git-dir').status !== 0) return skipped('this folder is no git clone')
  if (base !== '' && git('merge-base', '--is-ancestor', base, 'HEAD').status !== 0) {
    const shallow = git('rev-parse', '--is-shallow-repository').stdout.trim() === 'true'
    const why = shallow ? 'the clone is shallow' : 'this branch does not have it'
    return skipped(`${why}, so commit ${base.slice(0, 7)} of .ci/commits-since is not there`)
  }
  const log = git(
    'log',
    '-z',
    '--no-merges',
    '--format=%h %B',
    base === '' ? 'HEAD' : `${base}..HEAD`,
  ).stdout
  const commits = log.split('\0').filter((commit) => commit !== '')
  return { note: `${commits.length} commits`, problems: commits.flatMap(problemsOf) }
}

function problemsOf(commit: string): string[] {
  const [hash = ''] = commit.split(' ', 1)
  const message = commit.slice(hash.length + 1)
  const [subject = ''] = message.split('\n', 1)
  return messageFaults(message).map((fault) => `${hash} ${subject}\n     ${fault}`)
}

if (import.meta.main) {
  const base = readFileSync(join(project, '.ci/commits-since'), 'utf8').trim()
  const { note, problems } = checkCommits(project, base)
  console.log([note, ...problems].join('\n'))
  process.exitCode = problems.length === 0 ? 0 : 1
}
