import type { RawRequest } from '../e2e/raw.ts'

/** Gives a number from 0 to below its argument. */
export type Pick = (below: number) => number

/** A sequence that its seed decides (xorshift32). */
export function picker(seed: number): Pick {
  let state = seed | 0 || 1
  return function pick(below) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const one = <T>(from: readonly T[], pick: Pick): T => from[pick(from.length)] as T
const often = (pick: Pick, percent: number) => pick(100) < percent

const targets = [
  'GET /v1/rich',
  'POST /v1/rich',
  'POST /v1/rich/text/1/2/true/RED/AA/child/at/2026-01-31T12:00:00Z/for/1s/mask/text/w/3',
  'GET /v1/deep/child/rooms/1/doors/2/3:open',
  'PUT /v1/rich/text/child',
  'PUT /v1/rich/text/children',
  'PUT /v1/rich/text/by_text',
  'PUT /v1/rich/text/i64',
  'GET /v1/part/child',
  'GET /v1/part/texts',
]
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'QUERY']

/** Words, for lists that would fill pages one to a line. */
function words({ raw }: TemplateStringsArray): string[] {
  return raw.join('').trim().split(/\s+/)
}

const shards = [
  ...words`% %2 %zz %FF %C0%AF %ED%A0%80 %F4%90%80%80 %00 %0A %20 %2F %25 %252F %C3%A9 %EF%BB%BF
    / // /. /.. /../.. : :open :: * ** { } [ ] & && = == + ; ? ?? $ @ ! ~ ' " < > \ ^ | , . ..
    __proto__ constructor prototype toString hasOwnProperty null undefined text child child.child
    by_text value object NaN -0 1e400 0x10`,
  // Bytes that no client may send unescaped, and some do; Node takes them as Latin-1.
  '\xff',
  '\xc3\xa9',
  '\xed\xa0\x80',
  '\xc3',
]

const names = [
  '',
  ...words`text raw flag i32 s32 u32 i64 u64 f64 single double color optText opt_raw optColor texts raws
    i32s sf64s colors children ats w_i64s by_text byI32 child child.text child.child.child.text
    choice choice_text choice_child.text choiceWText choice_w_text.value at at.seconds span mask
    mask.paths w_text w_raw w_u64 object value value.number_value list any any.type_url empty renamed
    another-Name by_text[k] by_text[__proto__] by_i32[x] texts[] $alt alt $fields $prettyPrint
    $.xgafv key __proto__ constructor __proto__.text child.__proto__ constructor.prototype.x .text
    text. child..text`,
]

const values = [
  '',
  ...words`0 1 -1 2147483648 -2147483649 18446744073709551616 9223372036854775808 1e5 1.0 0x1 01 +1 -0
    NaN nan Infinity -Infinity 1e309 1e-400 true TRUE null RED red 7 -7 99999999999 AA== AA -_ ====
    A 2026-01-31T12:00:00Z 2026-13-31T12:00:00Z 0000-01-01T00:00:00Z 99999-01-01T00:00:00Z 1s 1m30s
    -1.5h 999999999999999999h 1.0000000001s 315576000001s s 1ss text,child.text a_b,cD ,,, * a..b
    a__b _a A json json;enum-encoding=int proto media "quoted" {} [] {"a":1} %80 %F0%9F%98%80`,
  '\x80\x81',
]

const jsons = [
  '',
  ' ',
  '// {}',
  '{} {}',
  '\ufeff{}',
  '\0',
  ...words`{} [] null "" 0 true "text" - { } [ {"text" {"text": {"text":"a"} {"text":1} {"text":null}
    {"text":"a","text":"b"} {"text":"\ud800"} {"raw":"AA"} {"raw":"*"} {"flag":"true"} {"i32":1.5}
    {"i32":1e9} {"i32":1e10} {"i64":9007199254740993} {"i64":"9223372036854775808"} {"i64":1e30}
    {"u64":-1} {"single":1e39} {"double":1e309} {"double":"NaN"} {"double":-0} {"color":"BLUE"}
    {"color":2147483648} {"at":"now"} {"at":1} {"span":"1h"} {"span":"1e3s"} {"mask":"a_b"}
    {"__proto__":1} {"__proto__":{"text":"a"}} {"byText":{"__proto__":"a"}} {"constructor":{}}
    {"object":{"__proto__":{"a":1}}} {"value":{"__proto__":null}} {"byI32":{"x":true}}
    {"byText":{"a":"1","a":"2"}} {"byU64":{"-1":""}} {"any":{"@type":"x/y.Z"}} {"any":{}}
    {"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}} {"empty":1}
    {"choiceText":"a","choiceS64":"1"} {"choiceChild":{"oneText":"a","oneFlag":true}} {"nope":1}
    {"another-Name":"a","renamed":"b"} {"children":[null]} {"children":{}} {"texts":["a",null]}
    {'text':'a'} {"text":"a",} {}. NaN [1,] 1e400`,
]

const headers: Record<string, string[]> = {
  'Content-Type': [
    'application/json; charset=utf-8',
    ...words`application/json application/protojson application/x-www-form-urlencoded text/plain
      application/json;charset=latin1 a/b+json application/ application/vnd.a+json;x="y
      multipart/form-data ; */* application/x-protobuf`,
  ],
  'Content-Encoding': ['gzip, gzip', ...words`identity gzip br zstd deflate x ,`],
  Accept: [
    'application/json;q=0.5, application/protojson;q=0.9',
    ...words`application/json application/protojson */* text/html ;q= a/b;q=2 a/b;q=-1,,,
      application/json;q=0,*/*;q=0`,
  ],
  'Accept-Encoding': words`gzip br zstd gzip;q=0 *;q=0 identity;q=0 br;q=1.5,x ,,;`,
  'If-None-Match': words`* "x" W/"x" " ,,,`,
  'Connect-Timeout-Ms': words`1000 99999999999 -1 x`,
  'Grpc-Timeout': words`1S 99999999H 1 x`,
  'X-Server-Timeout': words`1 0.5 1e9 NaN`,
}

/**
 * A request that is somehow wrong, or just random. It keeps to what node:http's parser takes, so that
 * the service and not the parser has to answer it.
 */
export function brokenRequest(pick: Pick): RawRequest {
  const [method = '', path = ''] = one(targets, pick).split(' ')
  const query = often(pick, 50) ? `?${queryOf(pick)}` : ''
  const body = often(pick, method === 'GET' ? 5 : 90) ? bodyOf(pick) : undefined
  return {
    method: often(pick, 90) ? method : one(methods, pick),
    target: broken(path, often(pick, 25) ? 1 + pick(3) : 0, pick) + query,
    headers: headersOf(pick, body !== undefined),
    ...(body !== undefined && { body }),
  }
}

/** Puts shards into a text, cuts it, or makes it very long. */
function broken(text: string, times: number, pick: Pick): string {
  let result = text
  for (let i = 0; i < times; i += 1) {
    const at = 1 + pick(result.length)
    const kind = pick(200)
    const shard = one(shards, pick).replaceAll(' ', '+')
    if (kind === 0)
      result = `${result.slice(0, at)}${shard.repeat(1 + pick(3000))}${result.slice(at)}`
    else if (kind === 1) result = `${result.slice(0, at)}${'/'.repeat(1 + pick(64_000))}`
    else if (kind < 30) result = result.slice(0, at)
    else result = `${result.slice(0, at)}${shard}${result.slice(at + pick(3))}`
  }
  return result.startsWith('/') ? result : `/${result}`
}

function queryOf(pick: Pick): string {
  const pairs = Array.from({ length: 1 + pick(often(pick, 1) ? 1500 : 3) }, () => {
    const name = one(names, pick)
    const value = often(pick, 2) ? '9'.repeat(pick(5000)) : one(values, pick)
    const pair = often(pick, 90) ? `${name}=${value}` : name
    return often(pick, 20) ? broken(`/${pair}`, 1, pick).slice(1) : pair
  })
  // What a request line cannot hold.
  return pairs.join('&').replaceAll(' ', '+')
}

function bodyOf(pick: Pick): Uint8Array | string {
  const kind = pick(100)
  if (kind < 3) return deep(pick)
  if (kind < 5) return `{"i64":${'9'.repeat(pick(50_000))}}`
  if (kind < 7) return Buffer.from(queryOf(pick), 'latin1')
  if (kind < 40) return one(jsons, pick)
  const merged = `{${Array.from({ length: 1 + pick(4) }, () => one(jsons, pick).slice(1, -1)).join(',')}}`
  const bytes = Buffer.from(often(pick, 70) ? merged : one(jsons, pick))
  if (kind < 70 && bytes.length > 0) bytes[pick(bytes.length)] = pick(256)
  return kind < 75 ? bytes.subarray(0, pick(bytes.length + 1)) : bytes
}

const nests = ['[', '{"a":', '{"child":', '{"object":{"a":', '{"value":[', '{"children":[{"child":']

/** JSON nested deeper than any stack, ended well or not. */
function deep(pick: Pick): string {
  const open = one(nests, pick)
  const depth = 1 + pick(often(pick, 50) ? 200 : 20_000)
  const close = (open.match(/[[{]/g) ?? []).toReversed().map((each) => (each === '[' ? ']' : '}'))
  return `${open.repeat(depth)}${often(pick, 80) ? `1${close.join('').repeat(depth)}` : ''}`
}

function headersOf(pick: Pick, hasBody: boolean): Record<string, string> {
  const chosen: Record<string, string> = { Connection: 'keep-alive' }
  if (hasBody) chosen['Content-Type'] = 'application/json'
  for (const [name, values] of Object.entries(headers))
    if (often(pick, 4) && (hasBody || !name.startsWith('Content-')))
      chosen[name] = one(values, pick)
  return chosen
}
