// The image's health check: `node health.mjs [path]` asks the REST port of this container, and ends with
// 0 for a 200, else with 1 and one line. /healthz says that the process is alive, /readyz that it should
// get calls. Reads the variables that move the port or put TLS on it. No import of the service: this runs
// every few seconds.
const { HTTP_ADDR = '0.0.0.0:8000', TLS_CERT_FILE = '' } = process.env
const port = HTTP_ADDR.slice(HTTP_ADDR.lastIndexOf(':') + 1)
const { get } = await import(TLS_CERT_FILE === '' ? 'node:http' : 'node:https')
const path = process.argv[2] ?? '/healthz'

function fail(reason) {
  console.error(`${path}: ${reason}`)
  process.exitCode = 1
}

// The certificate's names are those of the service, not of the loopback address.
get({ host: '127.0.0.1', port, path, timeout: 2000, rejectUnauthorized: false, agent: false })
  .on('response', (response) => {
    if (response.statusCode !== 200) fail(response.statusCode)
    response.resume()
  })
  .on('timeout', function () {
    this.destroy(new Error('no answer within 2 s'))
  })
  .on('error', (err) => fail(err.message))
