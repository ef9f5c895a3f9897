// Starts the image's tree the way a container runtime does: other user, no capability, nothing
// writable.
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Image } from './dockerfile.ts'

const [cgroup1, cgroup2] = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup']

interface Confinement {
  env: Record<string, string>
  /** Maximum bytes of memory; the kernel kills a process that uses more. */
  limitBytes?: number
}

/** The reason why this machine cannot confine a process; '' if it can. */
export function cannotConfine(): string {
  if (process.platform !== 'linux') return 'only Linux has mount namespaces'
  if (process.getuid?.() !== 0) return 'only root may change the user and the mounts'
  const missing = ['unshare', 'setpriv'].filter((name) => !existsSync(`/usr/bin/${name}`))
  return missing.length > 0 ? `util-linux has no ${missing.join(', ')} here` : ''
}

/** The reason why memory cannot be limited; '' if it can. */
export function cannotLimit(): string {
  try {
    accessSync(memoryRoot(), constants.W_OK)
    return ''
  } catch (err) {
    return `no memory cgroup can be made: ${String(err)}`
  }
}

/**
 * Runs the image's entrypoint, or another command of it, in a mount namespace where every file
 * system of the machine is read-only, as the image's user, without capabilities. The process keeps
 * its id through all of it, so that signals reach Node as they do in a container.
 */
export function runConfined(
  image: Image,
  command: string[],
  { env, limitBytes }: Confinement,
): ChildProcess {
  const [uid, gid] = image.user.split(':')
  const [program = '', ...args] = command.map((part) => {
    const path = join(image.root, part)
    return part.startsWith('/') && existsSync(path) ? path : part
  })
  const group = limitBytes === undefined ? '' : memoryGroup(limitBytes)
  const script = [
    ...(group === '' ? [] : [`echo $$ > ${group}/cgroup.procs`]),
    'mount -o remount,bind,ro /',
    // A remount of / does not change the mounts below it.
    'for at in /tmp /run /dev/shm /var/tmp; do mountpoint -q $at && mount -o remount,bind,ro $at; done',
    `exec setpriv --reuid=${uid} --regid=${gid} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"`,
  ].join('\n')
  // By `env -i`, since a container has none of the variables of this process.
  const path = `${join(image.root, 'usr/local/bin')}:/usr/bin:/bin`
  const variables = Object.entries({ ...image.env, PATH: path, ...env }).map(
    ([name, value]) => `${name}=${value}`,
  )
  const inner = ['env', '-i', ...variables, program, ...args]
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...inner],
    { cwd: join(image.root, image.workdir), stdio: ['ignore', 'pipe', 'pipe'] },
  )
  if (group !== '') child.once('exit', () => rmdirSync(group))
  return child
}

/** Version 2 has one tree; version 1 one for each kind of resource. */
function memoryRoot(): string {
  return existsSync(cgroup1) ? cgroup1 : cgroup2
}

let groups = 0

function memoryGroup(limitBytes: number): string {
  const group = join(memoryRoot(), `user-service-${process.pid}-${(groups += 1)}`)
  mkdirSync(group)
  const limit = memoryRoot() === cgroup1 ? 'memory.limit_in_bytes' : 'memory.max'
  writeFileSync(join(group, limit), String(limitBytes))
  return group
}
