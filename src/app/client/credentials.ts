import type { Logger } from 'pino'
import type { Credentials } from '../../client/call.ts'
import { rereadFile } from '../settings/reread.ts'

/** The files of this process's credentials, by settings. */
export interface CredentialFiles {
  apiKeyFile: string
  tokenFile: string
}

/** Whether a file with credentials is named. */
export function namesCredentials(files: CredentialFiles | undefined): files is CredentialFiles {
  return files !== undefined && files.apiKeyFile + files.tokenFile !== ''
}

/** The key or the token that a file has. Throws for a text that has none; its message does not show the text. */
export function credentialIn(text: string): string {
  const found = text.trim()
  if (/^[\x21-\x7e]{1,8192}$/.test(found)) return found
  throw new Error('must be one line of at most 8192 visible ASCII characters')
}

/** Gives what calls are sent with, by the file; undefined where none is named. */
export function ownCredentials(
  files: CredentialFiles | undefined,
  log: Logger,
): Credentials | undefined {
  if (!namesCredentials(files)) return undefined
  const { apiKeyFile, tokenFile } = files
  const isKey = apiKeyFile !== ''
  const file = isKey ? apiKeyFile : tokenFile
  return rereadFile(file, asHeaders, {
    renewed: () => log.info({ file }, 'the file of credentials has been read again'),
    failed: ({ message }) =>
      log.error(
        { file, err: message },
        'the file of credentials cannot be used; those before stay',
      ),
  })

  function asHeaders(text: string): Record<string, string> {
    const credential = credentialIn(text)
    return isKey ? { 'x-api-key': credential } : { authorization: `Bearer ${credential}` }
  }
}
