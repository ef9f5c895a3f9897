import { test } from 'tap'
import { redisName, redisPlace } from '../../../src/data/redis/url.ts'

test('a Redis is named by a URL or by host and port', async (t) => {
  t.same(redisPlace('cache:7000'), {
    host: 'cache',
    port: 7000,
    db: 0,
    username: '',
    password: '',
    tls: false,
  })
  t.match(redisPlace('redis://:p%40ss@cache/4'), { port: 6379, db: 4, password: 'p@ss' })
  t.match(redisPlace('rediss://app:secret@[::1]:6380'), { host: '::1', username: 'app', tls: true })
})

test('the name of a Redis shows no account', async (t) => {
  const place = redisPlace('rediss://app:secret@[::1]:6380/2')
  t.equal(place && redisName(place), 'rediss://[::1]:6380/2')
})

test('what names no Redis is refused', async (t) => {
  const wrong = [
    '',
    'http://cache:1',
    'redis://',
    'cache:99999',
    'redis://cache/x',
    'redis://%zz@a',
  ]
  for (const text of [...wrong, 'redis://cache:1/0?tls=true', 'redis://cache:1/1/2'])
    t.equal(redisPlace(text), undefined, text)
})
