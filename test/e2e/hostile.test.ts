import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Test } from 'tap'
import type { ServiceProcess } from '../help/process.ts'
import { answerTo, dial } from './dial.ts'
import { heldMs, othersAreServedDuring } from './others-served.ts'

const json = 'Host: x\r\nContent-Type: application/json\r\n'
const create = '/api.user.v1.User/CreateUser'
const gigabyte = 2 ** 30

/** The beginnings of a create in each protocol that HTTP/1.1 carries, with the port that takes it. */
function creates({ http, grpc }: ServiceProcess): [addr: string, head: string][] {
  const post = (path: string, type: string) =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\n`
  return [
    [http, post('/v1/users', 'application/json')],
    [grpc, post(create, 'application/json')],
    [grpc, post(create, 'application/proto')],
    [grpc, post(create, 'application/grpc-web+proto')],
  ]
}

async function idleConnections({ http, grpc }: ServiceProcess): Promise<void> {
  const sockets = []
  for (let i = 0; i < 10_000; i += 1) {
    sockets.push(dial(i % 2 ? http : grpc, i % 4 < 2 ? '' : 'PR'))
    if (i % 250 === 0) await sleep(5)
  }
  await sleep(heldMs)
  for (const socket of sockets) socket.resetAndDestroy()
}

/** A byte after the other on 200 connections, then no more. */
async function oneByteAtATime(service: ServiceProcess): Promise<void> {
  const heads = creates(service).map(
    ([addr, head]) => [addr, `${head}Content-Length: 20\r\n\r\n{`] as const,
  )
  const sockets = Array.from({ length: 200 }, (_, i) => {
    const [addr, text] = heads[i % heads.length] ?? ['', '']
    return { socket: dial(addr), text }
  })
  for (let at = 0; at < 60; at += 1) {
    for (const { socket, text } of sockets) socket.write(text.charAt(at))
    await sleep(30)
  }
  for (const { socket } of sockets) socket.destroy()
}

/** More bodies than the service takes calls at once, a byte at a time. */
async function slowBodies(service: ServiceProcess): Promise<void> {
  const sockets = creates(service).flatMap(([addr, head]) =>
    Array.from({ length: 100 }, () => dial(addr, `${head}Content-Length: 100\r\n\r\n`)),
  )
  for (let bytes = 0; bytes < 20; bytes += 1) {
    for (const socket of sockets) socket.write(' ')
    await sleep(100)
  }
  for (const socket of sockets) socket.destroy()
}

async function endlessHeaders({ http, grpc }: ServiceProcess, t: Test): Promise<void> {
  for (let round = 0; round < 20; round += 1)
    for (const addr of [http, grpc]) {
      const flood = `GET / HTTP/1.1\r\nHost: x\r\n${'X-Flood: 1234567890\r\n'.repeat(2000)}`
      t.match(await answerTo(dial(addr, flood)), /^HTTP\/1\.1 431 /)
    }
}

async function hugeBodies(service: ServiceProcess, t: Test): Promise<void> {
  for (const [addr, head] of creates(service)) {
    const announced = dial(addr, `${head}Content-Length: ${gigabyte}\r\n\r\n`)
    const refused = answerTo(announced)
    const endless = dial(addr, `${head}Transfer-Encoding: chunked\r\n\r\n`)
    const ended = answerTo(endless)
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
    for (let i = 0; i < 200 && endless.writable; i += 1) {
      endless.write(chunk)
      if (announced.writable) announced.write(chunk)
      await sleep(1)
    }
    endless.destroySoon()
    announced.destroySoon()
    const [first = ''] = head.split('\r\n', 1)
    t.match(await ended, /^HTTP\/1\.1 (?:413|429|200) /, `${first}, chunked`)
    t.match(await refused, /^HTTP\/1\.1 (?:413|429|200) /, `${first}, announced`)
  }
}

async function deepJson(service: ServiceProcess, t: Test): Promise<void> {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const objects = `${'{"user":'.repeat(100_000)}1${'}'.repeat(100_000)}`
  for (const [addr, head] of creates(service).slice(0, 2))
    for (const body of [deep, objects, `{"name":${deep}}`, `{"unknown":${deep}}`]) {
      const text = `${head}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      t.match(await answerTo(dial(addr, text)), /^HTTP\/1\.1 400 /, body.slice(0, 20))
    }
}

async function compressedBombs(service: ServiceProcess, t: Test): Promise<void> {
  const bomb = gzipSync(Buffer.alloc(gigabyte / 4))
  for (const [addr, head] of creates(service)) {
    const framed = head.includes('grpc')
    const body = framed ? Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), bomb]) : bomb
    if (framed) body.writeUInt32BE(bomb.byteLength, 1)
    const encoding = framed ? 'Grpc-Encoding' : 'Content-Encoding'
    const start = `${head}Connection: close\r\n${encoding}: gzip\r\nContent-Length: ${body.byteLength}\r\n\r\n`
    const answer = await answerTo(dial(addr, Buffer.concat([Buffer.from(start), body])))
    t.match(answer, /^HTTP\/1\.1 (?:200|413|415|429) /, head.slice(0, 40))
    t.notMatch(answer, /grpc-status: 0/i)
  }
}

/** Asks for much on connections that take nothing of the answers. */
async function readNothing({ http, grpc }: ServiceProcess): Promise<void> {
  const requests = 'GET /v1/users?page_size=100 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(16)
  const calls =
    `POST /api.user.v1.User/ListUsers HTTP/1.1\r\n${json}Content-Length: 2\r\n\r\n{}`.repeat(16)
  const sockets = Array.from({ length: 100 }, (_, i) => {
    const socket = i % 2 ? dial(http, requests) : dial(grpc, calls)
    return socket.pause()
  })
  await sleep(2 * heldMs)
  for (const socket of sockets) socket.resetAndDestroy()
}

/** A thousand requests in each packet. */
async function pipelines({ http, grpc }: ServiceProcess): Promise<void> {
  const requests = 'GET /v1/users HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000)
  const sockets = Array.from({ length: 100 }, (_, i) => dial(i % 2 ? http : grpc, requests))
  await sleep(heldMs)
  for (const socket of sockets) socket.resetAndDestroy()
}

async function vanish(service: ServiceProcess): Promise<void> {
  const { http, grpc } = service
  const parts: [string, string][] = [
    [http, 'GET /v1/use'],
    [http, 'GET /v1/users HTTP/1.1\r\nHost: x\r\n\r\n'],
    [http, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [grpc, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05'],
    [grpc, '\x16\x03\x01\x02\x00\x01\x00\x01'],
    [grpc, `GET ${create}?connect=v1&encoding=json&message={} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ...creates(service).flatMap(([addr, head]): [string, string][] => [
      [addr, `${head}Content-Length: 100\r\n\r\n`],
      [addr, `${head}Content-Length: 100\r\n\r\n{"name`],
      [addr, `${head}Content-Length: 2\r\n\r\n{}`],
    ]),
  ]
  for (let round = 0; round < 50; round += 1) {
    const sockets = parts.map(([addr, part]) => dial(addr, part))
    await sleep(round % 10)
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

othersAreServedDuring(
  {
    'keeps 10,000 idle connections and half prefaces': idleConnections,
    'sends one byte at a time': oneByteAtATime,
    'sends 400 bodies a byte at a time': slowBodies,
    'sends endless headers': endlessHeaders,
    'sends bodies of 1 GiB': hugeBodies,
    'sends JSON 100,000 levels deep': deepJson,
    'sends gzip bombs': compressedBombs,
    'reads nothing of its answers': readNothing,
    'sends a thousand requests in a packet': pipelines,
    'vanishes in the middle of each kind of call': vanish,
  },
  ['sends a thousand requests in a packet'],
)
