import { isText } from './grpc-web-text.ts'

const envelopeHeadBytes = 5

/** Whether a request declares more bytes than one message takes up in its content type. */
export function declaresTooMuch(
  contentType: string,
  contentLength: string | null | undefined,
  maxMessageBytes: number,
): boolean {
  const length = Number(contentLength ?? 0)
  if (length <= maxMessageBytes) return false
  if (!/^application\/(?:grpc|connect\+)/i.test(contentType)) return true
  // In base64 a byte that has its own padding takes up four characters.
  return length > (maxMessageBytes + envelopeHeadBytes) * (isText(contentType) ? 4 : 1)
}
