import { createServer, type Connection } from 'mysql2'
import { once } from 'node:events'
import { type AddressInfo, Server } from 'node:net'
import type { Test } from 'tap'

/**
 * A server that says OK to each SET and goes on as it was, as a proxy before one may: every variable
 * that is asked for has this value. `asked` are the other statements that came.
 */
export async function deafServer(
  t: Test,
  value: string,
): Promise<{ dsn: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer(() => undefined)
  server.on('connection', (connection: ServerSide) => {
    // The client goes away without a word.
    connection.on('error', () => undefined)
    const authCallback = (_login: unknown, done: () => void) => answered(connection, done)
    connection.serverHandshake({ ...greeting, authCallback })
    answerWith(connection, value, asked)
  })
  // The types have neither this server nor an event for that it listens.
  const listening = '_server' in server ? server._server : undefined
  if (!(listening instanceof Server)) throw new Error('mysql2 keeps its server elsewhere')
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.teardown(() => listening.close())
  const { port } = listening.address() as AddressInfo
  return { dsn: `mysql://app@127.0.0.1:${port}/users`, asked }
}

/** What a connection has on the server's side, most of which is not in mysql2's types. */
type ServerSide = Connection & {
  sequenceId: number
  writeTextResult: (rows: object[], columns: object[]) => void
}

const greeting = {
  protocolVersion: 10,
  serverVersion: '8.0.0',
  connectionId: 1,
  statusFlags: 2,
  characterSet: 45,
  capabilityFlags: 0xff_f7_ff,
}

/** The next question begins a new count of packets. */
function answered(connection: ServerSide, answer: () => void): void {
  answer()
  connection.sequenceId = 0
}

function answerWith(connection: ServerSide, value: string, asked: string[]): void {
  function on(event: string, answer: (sql: string) => void): void {
    connection.on(event, (sql: string) => {
      // An answer goes on with the count of the packets of its question.
      connection.sequenceId = 1
      answered(connection, () => answer(sql))
    })
  }
  on('ping', () => connection.writeOk())
  // Which is the event for a SET, too.
  on('stmt_prepare', (sql) => {
    if (!/^SET /i.test(sql)) asked.push(sql)
    connection.writeOk()
  })
  on('query', (sql) => {
    asked.push(sql)
    const names = [...sql.matchAll(/@@(?:SESSION|GLOBAL)\.\w+ AS (\w+)/g)].map(
      ([, name = '']) => name,
    )
    const row = Object.fromEntries(names.map((name) => [name, value]))
    connection.writeTextResult([row], names.map(textColumn))
  })
}

function textColumn(name: string) {
  const nameless = { catalog: 'def', schema: '', table: '', orgTable: '' }
  const type = { characterSet: 45, columnLength: 255, columnType: 253, flags: 0, decimals: 0 }
  return { ...nameless, name, orgName: name, ...type }
}
