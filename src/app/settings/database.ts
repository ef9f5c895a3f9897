import { X509Certificate } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Conf } from '../../conf/conf.ts'
import { parseMysqlDsn } from '../../data/mysql/dsn.ts'
import { type Report, whyUnreadable } from './file.ts'

/** Checks the DSNs, without showing one, or else the path of the embedded database. */
export function checkDatabase(conf: Conf['data']['database'], report: Report): void {
  const { source, readDsn, sqlitePath } = conf
  const settings = { 'data.database.source': source, 'data.database.read_dsn': readDsn }
  for (const [setting, dsn] of Object.entries(settings)) {
    const problem = dsn === '' ? undefined : dsnProblem(dsn)
    if (problem !== undefined) report(setting, problem)
  }
  if (readDsn !== '' && source === '')
    report('data.database.read_dsn', 'needs data.database.source, too')
  const problem = source === '' && sqlitePath !== ':memory:' ? sqliteProblem(sqlitePath) : undefined
  if (problem !== undefined)
    report('data.database.sqlite_path', `found ${JSON.stringify(sqlitePath)}, ${problem}`)
}

function dsnProblem(dsn: string): string | undefined {
  try {
    const caFile = parseMysqlDsn(dsn).tls?.caFile
    return caFile === undefined ? undefined : caProblem(caFile)
  } catch (err) {
    return (err as Error).message
  }
}

function caProblem(file: string): string | undefined {
  const why = whyNoCertificate(file)
  return why === undefined ? undefined : `the DSN has tls_ca=${file}, ${why}; must be a PEM file`
}

function whyNoCertificate(file: string): string | undefined {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (err) {
    return whyUnreadable(err)
  }
  try {
    void new X509Certificate(pem)
    return undefined
  } catch {
    return 'which has no certificate'
  }
}

const needed = 'must be a file that this process may read and write, or that it may make'

/** Why SQLite could not use a path; undefined where it can. */
function sqliteProblem(path: string): string | undefined {
  const file = statSync(path, { throwIfNoEntry: false, bigint: false })
  try {
    if (file === undefined) return folderProblem(dirname(resolve(path)))
    if (!file.isFile()) return `which is no file; ${needed}`
    accessSync(path, constants.R_OK | constants.W_OK)
  } catch {
    return `which this process may not read and write; ${needed}`
  }
  const isNew = file.size === 0
  return isNew || header(path) === magic ? undefined : `which is no database of SQLite; ${needed}`
}

/** The same for the folder in which a file, or folders above it, would be made. */
function folderProblem(folder: string): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return folderProblem(dirname(folder))
  if (!found.isDirectory()) return `but ${folder} is no folder; ${needed}`
  accessSync(folder, constants.W_OK | constants.X_OK)
  return undefined
}

// https://www.sqlite.org/fileformat.html, 1.3
const magic = 'SQLite format 3\0'

function header(path: string): string {
  const bytes = Buffer.alloc(magic.length)
  const file = openSync(path, 'r')
  readSync(file, bytes)
  closeSync(file)
  return bytes.toString('latin1')
}
