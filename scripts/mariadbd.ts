// The server program: where it is, how it is installed, and how it makes an empty data directory.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { aptInstall, findProgram, isRoot } from './program.ts'

/** The flag without which both servers do not run as root. */
export const asRoot = isRoot ? ['--user=root'] : []

/** The path of an installed MariaDB or MySQL server; undefined if there is none. */
export function findServer(): string | undefined {
  return findProgram('mariadbd', 'mysqld')
}

/** Installs MariaDB with apt-get. The path of the server; undefined if that is impossible. */
export function installServer(): string | undefined {
  return aptInstall('mariadb-server-core') ? findServer() : undefined
}

/**
 * Makes an empty data directory. Its parent must belong to this server alone: temporary tables go
 * there, and a server removes all temporary tables that it finds when it starts.
 */
export function initialize(server: string, data: string): void {
  const own = [`--datadir=${data}`, `--tmpdir=${dirname(data)}`, ...asRoot]
  const help = run(server, ['--no-defaults', '--verbose', '--help', ...asRoot])
  if (!/mariadb/i.test(help)) {
    run(server, ['--no-defaults', '--initialize-insecure', ...own])
    return
  }
  const charsets = /^character-sets-dir +(\/.*)$/m.exec(help)?.[1] ?? '/usr/share/mysql/charsets'
  mkdirSync(data)
  run(server, ['--no-defaults', '--bootstrap', ...own], systemTables(dirname(charsets)))
}

/**
 * What mariadb-install-db feeds to the server, without help texts and the sys schema. The script
 * itself needs a program of mariadb-client-core, and as root it changes permissions of the
 * installed plugins.
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
