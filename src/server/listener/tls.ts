import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type tls from 'node:tls'
import type { SecureContextOptions, SecureVersion, TlsOptions } from 'node:tls'
import { certificateIn, checkPem } from './pem.ts'

/** The PEM files of a certificate and the rules for clients. Paths are relative to the working directory. */
interface TlsFiles {
  certFile: string
  keyFile: string
  minVersion: SecureVersion
  /** Authorities that must have signed the client's certificate; empty: no certificate is asked for. */
  clientCaFile: string
}

/** The certificate of both ports. */
export interface Tls {
  options: TlsOptions
  /** The end of the validity of the certificate in use. */
  end(): Date
  /** Gives a server the new certificate each time the files change, until the server closes. */
  follow(server: tls.Server): void
}

/** Events after the start. */
interface TlsEvents {
  /** A changed file cannot be used; the certificate before it stays in use. */
  unusable: (err: Error) => void
  /** A client's handshake has failed: no common version, no certificate, or an unknown authority. */
  refused: (reason: string) => void
}

/** Interval at which file contents are compared: Kubernetes replaces links, and editors rename files. */
const pollMs = 1000

/**
 * Reads the certificate of both ports; undefined if TLS is off. Throws an error that names the file that
 * is missing or wrong.
 */
export function loadTls(files: TlsFiles, events: TlsEvents): Tls | undefined {
  const { certFile, keyFile, clientCaFile } = files
  if (certFile === '' && keyFile === '') return undefined
  if (certFile === '' || keyFile === '')
    throw new Error('server.tls needs both cert_file and key_file, or neither')
  const paths = [certFile, keyFile, ...(clientCaFile === '' ? [] : [clientCaFile])]
  const first = checked(files, paths.map(readPem))
  let end = endOf(first)
  return {
    options: {
      ...first,
      ALPNProtocols: ['h2', 'http/1.1'],
      ...(clientCaFile !== '' && { requestCert: true, rejectUnauthorized: true }),
    },
    end: () => end,
    follow(server) {
      let known = JSON.stringify(paths.map(readPem))
      async function compare(): Promise<void> {
        const contents = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
        const now = JSON.stringify(contents)
        if (now === known) return
        known = now
        const next = checked(files, contents)
        server.setSecureContext(next)
        end = endOf(next)
      }
      const timer = setInterval(() => void compare().catch(events.unusable), pollMs).unref()
      server.on('tlsClientError', (err: NodeJS.ErrnoException, socket) => {
        // A client certificate that node refuses ends in ECONNRESET too, as do port scans and probes, which
        // are not worth a line in the log.
        const { authorizationError } = socket
        if (authorizationError) events.refused(String(authorizationError))
        else if (err.code !== 'ECONNRESET') events.refused(err.code ?? err.message)
      })
      server.once('close', () => clearInterval(timer))
    },
  }
}

/** The first certificate of a chain is the server's own. */
function endOf({ cert }: { cert: string }): Date {
  return new Date(certificateIn(cert).validTo)
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`server.tls: ${reason(cause)}`, { cause })
  }
}

/**
 * The options for node:tls. Throws if a file does not hold what it is for, or the key is not that of the
 * certificate.
 */
function checked(
  { certFile, keyFile, clientCaFile, minVersion }: TlsFiles,
  [cert = '', key = '', ca]: string[],
): SecureContextOptions & { cert: string } {
  const pem = { cert, key, ...(ca !== undefined && { ca }) }
  try {
    checkPem(pem)
    return { ...pem, minVersion }
  } catch (cause) {
    const files = [certFile, keyFile, clientCaFile].filter((path) => path !== '').join(', ')
    const problem = `cannot use ${files}: ${reason(cause)}`
    throw new Error(`server.tls: ${problem}`, { cause })
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
