import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Logger } from 'pino'
import { recordMethods } from '../call/methods.ts'
import type { Conf } from '../conf/conf.ts'
import { SettingError } from '../conf/error.ts'
import type { ApiKeys } from '../server/auth/api-keys.ts'
import type { Auth, AuditEntry } from '../server/interceptor/auth.ts'
import type { Schemes } from './port/documents.ts'
import { type Module, routesOf } from './module.ts'
import { rereadFile } from './settings/reread.ts'

type AuthConf = Conf['auth']

/** What the ports need of auth, as openAuth makes it. */
export interface OpenAuth extends Auth {
  /** For the OpenAPI documents. */
  schemes: Schemes
  /** Milliseconds since the issuer has given its keys; undefined before, and without an issuer. */
  keysAgeMs(): number | undefined
  close(): void
}

/** Whether callers are asked for credentials. */
function asksCallers({ jwt, mtls, apiKeysFile }: AuthConf): boolean {
  const sources = [jwt.issuer, jwt.secret, apiKeysFile]
  return sources.some((each) => each !== '') || Object.keys(mtls.principals).length > 0
}

/**
 * Makes the check of callers; undefined, and nothing is loaded, where it is off. Throws a
 * SettingError for a method of which the proto does not say who may call it.
 */
export async function openAuth(
  conf: AuthConf,
  modules: readonly Module[],
  log: Logger,
): Promise<OpenAuth | undefined> {
  if (!asksCallers(conf)) return undefined
  const [{ authenticator }, { accessOf }, { peerIdentities }, tokens, keys] = await Promise.all([
    import('../server/auth/authenticate.ts'),
    import('../server/auth/scopes.ts'),
    import('../server/auth/peer.ts'),
    openTokens(conf.jwt),
    openKeys(conf.apiKeysFile, log),
  ])
  const { principals } = conf.mtls
  const peers = Object.keys(principals).length > 0 ? peerIdentities(principals) : undefined
  return {
    authenticate: authenticator({ tokens, keys, peers }),
    access: accessIn(accessOf, conf, modules),
    audit: auditLog(log),
    schemes: schemesOf(conf),
    keysAgeMs: () => tokens?.keysAgeMs(),
    close: () => tokens?.close(),
  }
}

function schemesOf({ jwt, mtls, apiKeysFile }: AuthConf): Schemes {
  const certificates = Object.keys(mtls.principals).length > 0
  return {
    ...((jwt.issuer || jwt.secret) && {
      token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    }),
    ...(apiKeysFile && { api_key: { type: 'apiKey', in: 'header', name: 'x-api-key' } }),
    ...(certificates && { certificate: { type: 'mutualTLS' } }),
  }
}

function accessIn(
  accessOf: typeof import('../server/auth/scopes.ts').accessOf,
  { open }: AuthConf,
  modules: readonly Module[],
) {
  try {
    const methods = recordMethods(routesOf(modules)).map(({ method }) => method)
    return accessOf(methods, listOf(open))
  } catch (cause) {
    throw new SettingError('auth', (cause as Error).message, { cause })
  }
}

async function openTokens(jwt: AuthConf['jwt']) {
  if (jwt.issuer === '' && jwt.secret === '') return undefined
  const { tokenCheck } = await import('../server/auth/token.ts')
  return tokenCheck({
    ...jwt,
    algorithms: listOf(jwt.algorithms),
    cooldownMs: durationMs(jwt.jwksCooldown),
    timeoutMs: durationMs(jwt.timeout),
    cacheMs: durationMs(jwt.cache),
    toleranceSeconds: durationMs(jwt.clockTolerance) / 1000,
  })
}

/** The keys of a file, which is read again when it has changed; a broken one changes nothing. */
async function openKeys(file: string, log: Logger): Promise<(() => ApiKeys) | undefined> {
  if (file === '') return undefined
  const { parseApiKeys } = await import('../server/auth/api-keys.ts')
  return rereadFile(file, parseApiKeys, {
    renewed: (keys) => log.info({ keys: keys.size }, 'the file of API keys has been read again'),
    failed: ({ message }) =>
      log.error({ err: message }, 'the file of API keys cannot be used; the keys before stay'),
  })
}

/** One line for each call that may have changed something: who, what, and the outcome. */
function auditLog(log: Logger) {
  return ({ operation, caller, outcome }: AuditEntry) =>
    log.info(
      {
        kind: 'audit',
        operation,
        caller: caller?.id ?? '',
        credentials: caller?.kind ?? '',
        outcome,
      },
      'audit',
    )
}

/** The parts of a list that is separated by commas. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}
