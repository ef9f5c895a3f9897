// Serves all sides in one process, so that they share its compiled code, its heap and its moment.
import type { AddressInfo } from 'node:net'
import { handWritten, withPlugin, withTemplates } from './sides.ts'

const apps = {
  hand: handWritten(),
  plugin: withPlugin(),
  few: withTemplates(10),
  many: withTemplates(1000),
}

const ports: Record<string, number> = {}
for (const [side, app] of Object.entries(apps)) {
  await app.listen({ port: 0, host: '127.0.0.1' })
  ports[side] = (app.server.address() as AddressInfo).port
}

process.on('message', (about) => {
  // What a slice leaves behind is not to be collected in the next one.
  if (about === 'begin') globalThis.gc?.()
  process.send?.(process.cpuUsage())
})
process.once('disconnect', () => process.exit(0))
process.send?.(ports)
