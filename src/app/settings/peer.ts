import { targetProblem } from '../../client/target/target.ts'
import { credentialIn, type CredentialFiles, namesCredentials } from '../client/credentials.ts'
import { asksTls, type TlsConf } from '../client/tls.ts'
import { certificate, checkPair, readable, type Report } from './file.ts'

/** A service of another process, by settings. */
interface Peer extends TlsConf {
  /** Empty: in this process. */
  target: string
  credentials?: CredentialFiles | undefined
}

/** Checks where a service is, and how this process proves itself to it. */
export function checkPeer(setting: string, peer: Peer, registry: string, report: Report): void {
  const { target, tls, credentials } = peer
  const found = target === '' ? 'nothing' : JSON.stringify(target)
  const problem = target === '' ? undefined : targetProblem(target)
  if (problem !== undefined) report(`${setting}.target`, problem)
  if (target.startsWith('discovery:') && registry === 'off')
    report(
      `${setting}.target`,
      `found ${found}, which needs a registry: registry.kind must not be off`,
    )
  if (tls) {
    certificate(`${setting}.tls.ca_file`, tls.caFile, report)
    checkPair(`${setting}.tls`, tls, report)
  }
  if (asksTls(peer) && /^(?:$|http:)/.test(target))
    report(
      `${setting}.target`,
      `found ${found}, but TLS is asked for by ${setting}.tls; must be another process, and not by http://`,
    )
  if (namesCredentials(credentials)) {
    checkCredentials(`${setting}.credentials`, credentials, report)
    if (target === '')
      report(
        `${setting}.target`,
        `found nothing, but ${setting}.credentials are named; must be another process`,
      )
  }
}

function checkCredentials(
  section: string,
  { apiKeyFile, tokenFile }: CredentialFiles,
  report: Report,
): void {
  if (apiKeyFile !== '' && tokenFile !== '')
    report(section, 'found api_key_file and token_file; must be one of them')
  checkCredential(`${section}.api_key_file`, apiKeyFile, report)
  checkCredential(`${section}.token_file`, tokenFile, report)
}

function checkCredential(setting: string, file: string, report: Report): void {
  const text = file === '' ? undefined : readable(setting, file, report, 'a file with one line')
  if (text === undefined) return
  try {
    credentialIn(text)
  } catch (err) {
    report(setting, `found ${JSON.stringify(file)}, whose content ${(err as Error).message}`)
  }
}
