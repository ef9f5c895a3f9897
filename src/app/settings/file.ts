import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Tells what is wrong with the setting at a path. */
export type Report = (path: string, problem: string) => void

const unreadable: Record<string, string> = {
  ENOENT: 'which does not exist',
  ENOTDIR: 'which does not exist',
  EISDIR: 'which is a folder',
  EACCES: 'which this process may not read',
}

/** Why a file cannot be read, for people: `which does not exist`. */
export function whyUnreadable(err: unknown): string {
  const { code = '', message } = err as NodeJS.ErrnoException
  return unreadable[code] ?? `which cannot be read (${message})`
}

/** The text of a file; undefined where it cannot be read, which has been reported then. */
export function readable(
  setting: string,
  file: string,
  report: Report,
  kind = 'a PEM file',
): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (err) {
    report(setting, `found ${JSON.stringify(file)}, ${whyUnreadable(err)}; must be ${kind}`)
    return undefined
  }
}

/** Reports a file that has no certificate in PEM. Gives the first. */
export function certificate(setting: string, file: string, report: Report) {
  return parsed(setting, file, report, (pem) => new X509Certificate(pem))
}

function privateKey(setting: string, file: string, report: Report) {
  return parsed(setting, file, report, createPrivateKey)
}

function parsed<T>(setting: string, file: string, report: Report, parse: (pem: string) => T) {
  const pem = file === '' ? undefined : readable(setting, file, report)
  if (pem === undefined) return undefined
  try {
    return parse(pem)
  } catch {
    const what =
      parse === createPrivateKey ? 'no private key without a passphrase' : 'no certificate'
    report(setting, `found ${JSON.stringify(file)}, which has ${what}; must be a PEM file`)
    return undefined
  }
}

/** The files of TLS to another server, by settings. */
export interface TlsFiles {
  caFile: string
  certFile: string
  keyFile: string
}

/** Whether a file for TLS is named. */
export function namesFile({ caFile, certFile, keyFile }: TlsFiles): boolean {
  return caFile + certFile + keyFile !== ''
}

interface Pair {
  certFile: string
  keyFile: string
}

/** Reports a certificate without its key, a key without its certificate, and two that do not fit. */
export function checkPair(section: string, { certFile, keyFile }: Pair, report: Report): void {
  const [certSetting, keySetting] = [`${section}.cert_file`, `${section}.key_file`]
  if (certFile === '' && keyFile !== '')
    report(certSetting, 'found nothing, but key_file is named; must be both or neither')
  if (certFile !== '' && keyFile === '')
    report(keySetting, 'found nothing, but cert_file is named; must be both or neither')
  const cert = certificate(certSetting, certFile, report)
  const key = privateKey(keySetting, keyFile, report)
  if (cert && key && !cert.checkPrivateKey(key))
    report(keySetting, `found ${JSON.stringify(keyFile)}, which is not the key of ${certFile}`)
}
