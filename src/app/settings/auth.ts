import type { Conf } from '../../conf/conf.ts'
import { parseApiKeys } from '../../server/auth/api-keys.ts'
import { listOf } from '../auth.ts'
import { readable, type Report } from './file.ts'
import { unknownOperation } from './operations.ts'

const asymmetric = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ')

/** Checks that tokens, keys and certificates can be judged as the settings say. */
export function checkAuth(conf: Conf, report: Report): void {
  const { auth, server } = conf
  checkJwt(auth.jwt, report)
  if (auth.apiKeysFile !== '') checkKeys(auth.apiKeysFile, report)
  const { principals } = auth.mtls
  if (Object.keys(principals).length > 0 && server.tls.clientCaFile === '')
    report(
      'auth.mtls.principals',
      'found names, but no server.tls.client_ca_file whose authorities could have signed them',
    )
  checkOpen(conf, report)
}

function checkOpen(conf: Conf, report: Report): void {
  for (const each of listOf(conf.auth.open)) {
    const problem = /^\/[\w.]+\/(?:\w+|\*)$/.test(each)
      ? unknownOperation(each, conf)
      : 'must be operations such as /grpc.health.v1.Health/*'
    if (problem !== undefined) report('auth.open', `found ${JSON.stringify(each)}, ${problem}`)
  }
}

function checkJwt(jwt: Conf['auth']['jwt'], report: Report): void {
  const urls = { issuer: jwt.issuer, jwks_url: jwt.jwksUrl }
  for (const [name, url] of Object.entries(urls))
    if (url !== '' && !isHttp(url))
      report(
        `auth.jwt.${name}`,
        `found ${JSON.stringify(url)}, must be a URL such as https://id.example.com`,
      )
  if (jwt.jwksUrl !== '' && jwt.issuer === '')
    report('auth.jwt.jwks_url', 'needs auth.jwt.issuer too, which must be the iss of the tokens')
  if (jwt.issuer !== '' && jwt.audience === '')
    report(
      'auth.jwt.issuer',
      'needs auth.jwt.audience too, the aud of tokens for this service: those for others must not be taken',
    )
  checkAlgorithms(jwt, report)
}

function checkAlgorithms({ algorithms, secret, issuer }: Conf['auth']['jwt'], report: Report) {
  const setting = 'auth.jwt.algorithms'
  const found = listOf(algorithms)
  const wrong = found.find((each) => each !== 'HS256' && !asymmetric.includes(each))
  if (wrong !== undefined)
    report(setting, `found ${JSON.stringify(wrong)}, must be of ${asymmetric.join(', ')}, HS256`)
  if (found.includes('HS256') && secret === '')
    report(setting, 'found HS256, which needs auth.jwt.secret too')
  if (secret !== '' && !found.includes('HS256'))
    report('auth.jwt.secret', 'needs HS256 in auth.jwt.algorithms too')
  if (issuer !== '' && !found.some((each) => asymmetric.includes(each)))
    report(setting, `found none for an issuer; must be of ${asymmetric.join(', ')}`)
}

function checkKeys(file: string, report: Report): void {
  const text = readable('auth.api_keys_file', file, report, 'a file of keys')
  if (text === undefined) return
  try {
    parseApiKeys(text)
  } catch (err) {
    report('auth.api_keys_file', `${file}: ${(err as Error).message}`)
  }
}

/** One with an account is none: fetch refuses it, and its error shows the account. */
function isHttp(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, username, password } = new URL(url)
  return /^https?:$/.test(protocol) && username + password === ''
}
