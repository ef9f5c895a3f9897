// The server program: where it is, how it is installed, and how it makes an empty data directory.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findProgram, installPackage } from './debian.ts'

/** Both servers refuse to run as root unless told so. */
export const asRoot = process.getuid?.() === 0 ? ['--user=root'] : []

export function findServer(): string | undefined {
  return findProgram('mariadbd') ?? findProgram('mysqld')
}

export function installServer(): string | undefined {
  return installPackage('mariadb-server-core', 'MySQL or MariaDB server') ? findServer() : undefined
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
