// Serves Echo until it is ended: `node echo-run.ts`. Its first line on standard output is its address.
import type { AddressInfo } from 'node:net'
import { echoServer } from './echo-server.ts'

const { app } = echoServer()
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(`127.0.0.1:${(app.server.address() as AddressInfo).port}`)
