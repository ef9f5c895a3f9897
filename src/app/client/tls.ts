import { readFileSync } from 'node:fs'
import type { ClientTls } from '../../client/settings.ts'
import { checkPem } from '../../server/listener/pem.ts'
import { namesFile, type TlsFiles } from '../settings/file.ts'

/** TLS to a service, by settings. */
export interface TlsConf {
  /** Undefined, as one without a file: the known authorities, and no certificate. */
  tls?: TlsFiles | undefined
  tlsServerName: string
}

/** Whether the settings ask for TLS, whatever the target. */
export function asksTls({ tls, tlsServerName }: TlsConf): boolean {
  return tlsServerName !== '' || (tls !== undefined && namesFile(tls))
}

/** Reads the files whenever it is asked; those of before stay in force while they are being replaced. */
export function tlsOf(conf: TlsConf): (() => ClientTls) | undefined {
  if (!asksTls(conf)) return undefined
  const { tls: files, tlsServerName } = conf
  const serverName = tlsServerName === '' ? {} : { serverName: tlsServerName }
  let last = read(files)
  return function current() {
    try {
      last = read(files)
    } catch {
      // A certificate without its key is on its way, or a file is gone for a moment.
    }
    return { ...last, ...serverName }
  }
}

function read(files: TlsFiles | undefined): ClientTls {
  if (files === undefined) return {}
  const { caFile, certFile, keyFile } = files
  const pem = {
    ...(caFile !== '' && { ca: readFileSync(caFile, 'utf8') }),
    ...(certFile !== '' && {
      cert: readFileSync(certFile, 'utf8'),
      key: readFileSync(keyFile, 'utf8'),
    }),
  }
  checkPem(pem)
  return pem
}
