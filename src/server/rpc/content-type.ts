import type { IncomingHttpHeaders } from 'node:http'

// As the protocols spell it; looked at first, since nearly all calls have one of these.
const usual = 'application/json; charset=utf-8'
const form = /^application\/x-www-form-urlencoded\s*(?:;|$)/i
const ofProtocols = /^application\/(?:json|proto|connect\+|grpc)/i
const utf8 = /^charset\s*=\s*"?utf-?8"?$/i

/**
 * Gives the content type of a request the spelling that is compared with: a type of the RPC protocols
 * without parameters that change nothing, such as `charset="utf-8"`. Another charset stays, and is
 * refused. A form becomes JSON.
 */
export function adaptContentType(headers: IncomingHttpHeaders): void {
  const { 'content-type': type } = headers
  if (type === undefined || type === usual) return
  if (form.test(type)) return formAsJson(headers)
  if (!type.includes(';') || !ofProtocols.test(type)) return
  const [name = '', ...parameters] = type.split(';').map((part) => part.trim())
  const isUtf8 = parameters.every((each) => !/^charset\b/i.test(each) || utf8.test(each))
  if (isUtf8) headers['content-type'] = name
}

/**
 * Declares a form to be JSON: `curl -d '{}'` calls its body a form, and no protocol of this port takes
 * forms. Not for browsers, which send Origin or Sec-Fetch-Site: any page may send a form without a
 * preflight, so a page could make calls with JSON that calls itself a form.
 */
function formAsJson(headers: IncomingHttpHeaders): void {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined) return
  headers['content-type'] = 'application/json'
}
