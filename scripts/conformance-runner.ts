// The runner of the Connect conformance suite, a Go program with the cases in it.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, isExecutable } from './program.ts'

const program = 'connectconformance'
const version = 'v1.0.5'
const source = `connectrpc.com/conformance/cmd/${program}@${version}`
const buildMs = 5 * 60_000

/**
 * The path of the runner in its pinned version: the one on PATH, else the one in `cache`, where Go
 * builds it once. Throws an error that says what is needed.
 */
export function findRunner(cache: string): string {
  const onPath = findProgram(program)
  if (onPath !== undefined && isPinned(onPath)) return onPath
  const cached = join(cache, version, program)
  if (existsSync(cached)) return cached
  const go = findProgram('go') ?? ['/usr/local/go/bin/go'].find(isExecutable)
  if (go === undefined) throw new Error(`needs Go 1.24 or ${program} ${version} on PATH`)
  console.log(`Building ${program} ${version} with Go.`)
  const { status, stderr, error } = spawnSync(go, ['install', source], {
    env: { ...process.env, GOBIN: join(cache, version) },
    encoding: 'utf8',
    timeout: buildMs,
  })
  if (status === 0) return cached
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? ''
  throw new Error(`needs ${program} ${version}, which ${go} could not build: ${reason}`)
}

function isPinned(file: string): boolean {
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  return stdout.trim().endsWith(version)
}
