import { test } from 'tap'
import { parseHeaderNames, parseOrigins } from '../../../src/server/origin/cors.ts'

const lists: Record<string, string[]> = {
  '': [],
  '*': ['*'],
  'https://app.example.org': ['https://app.example.org'],
  ' https://app.example.org , http://localhost:3000,': [
    'https://app.example.org',
    'http://localhost:3000',
  ],
  'http://[::1]:8080': ['http://[::1]:8080'],
  'capacitor://localhost': ['capacitor://localhost'],
}

test('origins are read from a list', async (t) => {
  for (const [list, origins] of Object.entries(lists))
    t.strictSame(parseOrigins(list), origins, JSON.stringify(list))
})

const wrong: [list: string, message: RegExp][] = [
  [
    'https://app.example.org/',
    /"https:\/\/app.example.org\/" is no .*sends https:\/\/app.example.org$/,
  ],
  ['https://app.example.org/path', /sends https:\/\/app.example.org$/],
  ['https://app.example.org:443', /sends https:\/\/app.example.org$/],
  [
    'https://a.example,https://App.example.org',
    /"https:\/\/App.example.org".*sends https:\/\/app\./,
  ],
  ['https://user@app.example.org', /sends https:\/\/app.example.org$/],
  ['app.example.org', /"app.example.org" is no origin$/],
  ['localhost:3000', /"localhost:3000" is no origin$/],
  ['https://*.example.org', /"https:\/\/\*.example.org" is no origin$/],
  ['null', /"null" is no origin$/],
]

test('what no browser sends as its origin is refused, and named', async (t) => {
  for (const [list, message] of wrong) t.throws(() => parseOrigins(list), { message }, list)
})

test('names of headers are read from a list, and what is none is refused', async (t) => {
  t.strictSame(parseHeaderNames(' authorization, x-a,', 'setting'), ['authorization', 'x-a'])
  t.strictSame(parseHeaderNames('', 'setting'), [])
  t.throws(() => parseHeaderNames('a b', 'setting'), { message: /^setting: "a b" is no name/ })
})
