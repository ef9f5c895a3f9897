import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'

import { checkCommits, messageFaults } from '../../scripts/commits.ts'

const body = '\n\nBecause a reader needs it.'

test('a message with type, scope and body, or a short one of docs and tests, is accepted', async (t) => {
  const accepted = [
    `feat(rest): streams${body}`,
    `fix(server/rpc)!: a call without a message ends${body}`,
    'docs: a page on streams',
    'test(data): a case for empty names',
    `fix(data): ${'é'.repeat(61)}${body}`,
  ]
  for (const message of accepted) t.same(messageFaults(message), [], message)
})

test('each fault of a message is told', async (t) => {
  const cases: [message: string, ...faults: RegExp[]][] = [
    [`streams${body}`, /^the subject is no "type\(scope\): …"/],
    [`feature(rest): streams${body}`, /with a type of feat, fix/],
    [`feat(rest):streams${body}`, /^the subject is no/],
    [`feat: streams${body}`, /^feat needs a scope/],
    ['feat(rest): streams', /^there is no body/],
    ['feat(rest): streams\n\nSigned-off-by: A <a@example.org>', /^there is no body/],
    [`docs: ${'a'.repeat(67)}`, /^the subject has 73 characters, 72 are allowed/],
    [`feat: ${'a'.repeat(67)}`, /scope/, /73 characters/, /body/],
  ]
  for (const [message, ...faults] of cases) {
    const found = messageFaults(message)
    t.equal(found.length, faults.length, message)
    t.match(found, faults, message)
  }
})

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'commits-test-'))
}

function git(folder: string, ...args: string[]): string {
  const author = ['-c', 'user.name=A', '-c', 'user.email=a@example.org']
  return execFileSync('git', [...author, ...args], { cwd: folder, encoding: 'utf8' }).trim()
}

/** A clone with a commit for each of the messages; gives its folder and the hash of the first. */
function clone(...messages: string[]) {
  const folder = newFolder()
  git(folder, 'init', '--quiet')
  const hashes = messages.map((message) => {
    git(folder, 'commit', '--quiet', '--allow-empty', '--message', message)
    return git(folder, 'rev-parse', 'HEAD')
  })
  return { folder, base: hashes[0] ?? '' }
}

test('the commits after the base are checked, the base and those before are not', async (t) => {
  const { folder, base } = clone('no rule yet', `feat(rest): streams${body}`, 'more streams')
  const { note, problems } = checkCommits(folder, base)
  t.equal(note, '2 commits')
  t.match(problems, [/^[0-9a-f]+ more streams\n.*no "type/, /more streams\n.*no body/])
  t.equal(problems.length, 2)
})

test('without a base all commits are checked', async (t) => {
  const { folder } = clone('no rule yet', `feat(rest): streams${body}`)
  t.match(checkCommits(folder, ''), { note: '2 commits', problems: [/no rule yet/] })
})

test('a shallow clone, another branch and a folder without git are told and not checked', async (t) => {
  const { folder, base } = clone('no rule yet', 'more streams')
  const shallow = newFolder()
  git(shallow, 'clone', '--quiet', '--depth=1', `file://${folder}`, '.')
  const cases: [folder: string, note: RegExp][] = [
    [shallow, /^not checked: the clone is shallow/],
    [clone('of another').folder, /^not checked: this branch does not have it/],
    [newFolder(), /^not checked: this folder is no git clone/],
  ]
  for (const [folder, note] of cases) {
    const checked = checkCommits(folder, base)
    t.match(checked.note, note)
    t.same(checked.problems, [])
  }
})
