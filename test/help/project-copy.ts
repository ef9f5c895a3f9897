import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { project } from '../../scripts/tool.ts'

/** What a program of the copy printed, and how it ended. */
export interface Outcome {
  status: number | null
  output: string
}

/**
 * A copy of the project as it is now, in a git repository with one commit and with the installed
 * packages; removed when the test ends.
 */
export function projectCopy(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'project-copy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const listed = git(project, 'ls-files', '--cached', '--others', '--exclude-standard', '-z')
  for (const path of listed.split('\0'))
    if (path !== '' && existsSync(join(project, path)))
      cpSync(join(project, path), join(folder, path))
  git(folder, 'init', '--quiet')
  const copy = projectAt(folder)
  copy.commit()
  return copy
}

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 })

/** The project in a folder that is a git repository; it gets the installed packages. */
export function projectAt(folder: string) {
  for (const packages of ['node_modules', 'scripts/packages/drizzle-kit/node_modules'])
    if (existsSync(join(project, packages)))
      symlinkSync(join(project, packages), join(folder, packages))
  const asSomeone = ['-c', 'user.name=test', '-c', 'user.email=test@example.org']
  function commit(): void {
    git(folder, 'add', '--all')
    git(folder, ...asSomeone, 'commit', '--quiet', '--message', 'test: a copy')
  }
  return {
    folder,
    /** The paths that git tracks. */
    files: (): string[] => git(folder, 'ls-files').trim().split('\n'),
    /** Commits all changes. */
    commit,
    /** The paths that git finds changed or new, each file alone. */
    changed: (): string[] =>
      git(folder, 'status', '--porcelain', '--untracked-files=all')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.slice(3)),
    /** Runs a script of the copy on this Node. */
    node(...args: string[]): Outcome {
      const options = { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 } as const
      const { status, stdout, stderr } = spawnSync(process.execPath, args, options)
      return { status, output: stdout + stderr }
    },
  }
}
