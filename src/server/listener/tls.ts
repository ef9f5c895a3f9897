import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import tls, { type SecureContextOptions, type SecureVersion, type TlsOptions } from 'node:tls'

/** Names of PEM files. */
export interface TlsFiles {
  certFile: string
  keyFile: string
  minVersion: SecureVersion
  /** Authorities whose client certificates are demanded; empty: none is asked for. */
  clientCaFile: string
}

export interface Tls {
  options: TlsOptions
  /** Until when the certificate in use is valid. */
  end(): Date
  /** Gives a server the new certificate each time the files change, until the server closes. */
  follow(server: tls.Server): void
}

/** What the files and the clients do later. */
export interface TlsEvents {
  /** A changed file cannot be used; the certificate before it stays. */
  unusable: (err: Error) => void
  /** A client's handshake has failed: no common version, no certificate, or none that is known. */
  refused: (reason: string) => void
}

/** Kubernetes replaces links and editors rename files, so the contents are compared. */
const pollMs = 1000

/**
 * Reads the certificate that both ports show; undefined where TLS is off. Throws an error that names
 * the file which is missing or wrong.
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
        // A certificate that node itself refuses looks like a client that breaks off, as those do who
        // only look whether the port is open.
        const { authorizationError } = socket
        if (authorizationError) events.refused(String(authorizationError))
        else if (err.code !== 'ECONNRESET') events.refused(err.code ?? err.message)
      })
      server.once('close', () => clearInterval(timer))
    },
  }
}

/** Of the first certificate of a chain, which is the server's own. */
function endOf({ cert }: { cert: string }): Date {
  return new Date(new X509Certificate(cert).validTo)
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`server.tls: ${reason(cause)}`, { cause })
  }
}

/** What node:tls can use; it refuses a key that does not belong to the certificate. */
function checked(
  { certFile, keyFile, minVersion }: TlsFiles,
  [cert = '', key = '', ca]: string[],
): SecureContextOptions & { cert: string } {
  const options = { cert, key, minVersion, ...(ca !== undefined && { ca }) }
  try {
    tls.createSecureContext(options)
    return options
  } catch (cause) {
    const problem = `cannot use ${certFile} with ${keyFile}: ${reason(cause)}`
    throw new Error(`server.tls: ${problem}`, { cause })
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
