// The server program: where it is, how it is installed, and how it makes an empty data directory.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findProgram } from './program.ts'

/** Both servers refuse to run as root unless told so. */
export const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []

export function findServer(): string | undefined {
  return find('mariadbd') ?? find('mysqld')
}

function find(name: string): string | undefined {
  return findProgram(name, '/usr/sbin', '/usr/local/sbin', '/usr/libexec')
}

export function installServer(): string | undefined {
  const apt = find('apt-get')
  if (apt === undefined || asRoot.length === 0) return undefined
  console.log('No MySQL or MariaDB server found: installing mariadb-server-core with apt-get.')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['update', '-qq'],
    ['install', '-qq', '-y', '--no-install-recommends', 'mariadb-server-core'],
  ]) {
    const { status } = spawnSync(apt, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) return undefined
  }
  return findServer()
}

export function initialize(server: string, data: string): void {
  const help = run(server, ['--no-defaults', '--verbose', '--help', ...asRoot])
  if (!/mariadb/i.test(help)) {
    run(server, ['--no-defaults', '--initialize-insecure', `--datadir=${data}`, ...asRoot])
    return
  }
  const charsets = /^character-sets-dir +(\/.*)$/m.exec(help)?.[1] ?? '/usr/share/mysql/charsets'
  mkdirSync(data)
  run(
    server,
    ['--no-defaults', '--bootstrap', `--datadir=${data}`, ...asRoot],
    systemTables(dirname(charsets)),
  )
}

/**
 * What mariadb-install-db feeds to the server, without help texts and the sys schema. The script itself
 * needs a program of mariadb-client-core, and as root it changes permissions of the installed plugins.
 */
function systemTables(share: string): string {
  const parts = ['system_tables', 'performance_tables', 'system_tables_data']
  return [
    'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n',
    ...parts.map((part) => readFileSync(join(share, `mysql_${part}.sql`), 'utf8')),
  ].join('')
}

function run(command: string, args: string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    maxBuffer: Infinity,
  })
  if (status === 0) return stdout
  throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr.slice(-4000)}`)
}
