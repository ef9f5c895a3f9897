import { type DescMessage, fromJson, type JsonValue, type Message } from '@bufbuild/protobuf'

/** Reads a message that JSON has as a text, such as a Timestamp; undefined if the text is none. */
export function readText(desc: DescMessage, json: JsonValue): Message | undefined {
  try {
    const message = fromJson(desc, json)
    const isTime = desc.typeName === 'google.protobuf.Timestamp'
    return isTime && !isOnCalendar(json as string) ? undefined : message
  } catch {
    return undefined
  }
}

/** Date.parse, with which protobuf-es reads times, takes February 30 and 24:00 for later days. */
function isOnCalendar(time: string): boolean {
  const date = new Date(time.slice(0, 10))
  return date.getUTCDate() === Number(time.slice(8, 10)) && !time.startsWith('24', 11)
}
