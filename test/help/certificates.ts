import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}

/** Makes certificates with openssl, by an authority of the test's own. */
export function certificates(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'test-tls-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const at = (name: string) => join(dir, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-days',
    '1',
    '-subj',
    '/CN=test authority',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  )

  /**
   * For the address 127.0.0.1, unless another subject is given as openssl writes it. `days` below 0 makes
   * one that has expired; `signer` is a certificate whose owner signs instead of the authority.
   */
  function issue(
    name: string,
    subjectAltName = 'IP:127.0.0.1',
    { days = 1, signer = 'ca' }: { days?: number; signer?: string } = {},
  ) {
    const files = { certFile: at(`${name}.pem`), keyFile: at(`${name}.key`) }
    openssl(
      'req',
      ...key,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=${subjectAltName}`,
      '-keyout',
      files.keyFile,
      '-out',
      at(`${name}.csr`),
    )
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      '-CA',
      at(`${signer}.pem`),
      '-CAkey',
      at(`${signer}.key`),
      '-CAcreateserial',
      '-days',
      String(days),
      '-copy_extensions',
      'copy',
      '-out',
      files.certFile,
    )
    return { ...files, cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) }
  }
  return { caFile: at('ca.pem'), ca: readFileSync(at('ca.pem')), issue }
}

/**
 * Settings for TLS with client certificates demanded, and the credentials of four clients. `name` is
 * the subjectAltName of the first, as openssl writes it.
 */
export function mutualTls(t: Test, name?: string) {
  const authority = certificates(t)
  const server = authority.issue('server')
  const { ca } = authority
  const shown = ({ cert, key }: ReturnType<typeof authority.issue>) => ({ ca, cert, key })
  return {
    env: {
      TLS_CERT_FILE: server.certFile,
      TLS_KEY_FILE: server.keyFile,
      TLS_CLIENT_CA_FILE: authority.caFile,
    },
    client: shown(authority.issue('client', name)),
    other: shown(authority.issue('other')),
    /** Has a certificate, of an authority that the server does not know. */
    stranger: shown(certificates(t).issue('stranger')),
    nobody: { ca },
    /** Makes another certificate of the authority, which the server knows. */
    issued: (...args: Parameters<typeof authority.issue>) => shown(authority.issue(...args)),
  }
}
