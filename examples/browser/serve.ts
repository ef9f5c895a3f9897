// `npm run example` serves the page on :8080 and starts the service, which allows the page's origin.
import { spawn } from 'node:child_process'
import { project } from '../../scripts/tool.ts'
import { examplePage } from './server.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

const port = 8080
const server = examplePage()
server.listen(port, '127.0.0.1', () => console.log(`open http://localhost:${port}`))
const service = spawn(process.execPath, startArguments(), {
  cwd: project,
  stdio: 'inherit',
  env: { CORS_ORIGINS: `http://localhost:${port},http://127.0.0.1:${port}`, ...process.env },
})
service.on('exit', (code) => {
  process.exitCode = code ?? 1
  server.closeAllConnections()
  server.close()
})
// Ctrl-C reaches the service, too, which ends in its own order; this process ends after it.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => service.kill('SIGTERM'))
