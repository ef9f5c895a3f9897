// A collector that reads and forgets, in a process of its own. Prints its address.
import { createServer } from 'node:http'

const server = createServer((req, res) => {
  req.resume().once('end', () => res.writeHead(200).end())
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address) console.log(`http://127.0.0.1:${address.port}`)
})
