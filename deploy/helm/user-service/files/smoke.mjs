// What `helm test` runs in the service's own image: a user's life on both ports, and readiness.
// SERVICE is the Service's name, SCHEME http or https.
const { SERVICE, SCHEME, HTTP_PORT = '8000', GRPC_PORT = '9000' } = process.env
const rest = `${SCHEME}://${SERVICE}:${HTTP_PORT}`
const rpc = `${SCHEME}://${SERVICE}:${GRPC_PORT}`

async function call(method, url, body) {
  const headers = { 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(10_000)
  const sent = body && JSON.stringify(body)
  const response = await fetch(url, { method, headers, body: sent, signal })
  const text = await response.text()
  console.log(`${response.status} ${method} ${url} ${text}`)
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status}`)
  return JSON.parse(text)
}

await call('GET', `${rest}/readyz`)
const email = `helm-test-${Date.now()}@example.org`
const { id } = await call('POST', `${rest}/v1/users`, { name: 'Helm test', email })
const found = await call('POST', `${rpc}/api.user.v1.User/GetUser`, { id })
await call('DELETE', `${rest}/v1/users/${id}`)
if (found.email !== email) throw new Error(`the ports disagree: ${JSON.stringify(found)}`)
console.log('ok')
