// What `helm test` runs in the service's own image: a user's life on both ports, and readiness.
// SERVICE is the Service's name, SCHEME http or https.
const { SERVICE, SCHEME, HTTP_PORT = '8000', GRPC_PORT = '9000' } = process.env
const rest = `${SCHEME}://${SERVICE}:${HTTP_PORT}`
const rpc = `${SCHEME}://${SERVICE}:${GRPC_PORT}`

async function send(method, url, body) {
  const headers = { 'content-type': 'application/json' }
  const signal = AbortSignal.timeout(10_000)
  const sent = body && JSON.stringify(body)
  const response = await fetch(url, { method, headers, body: sent, signal })
  const text = await response.text()
  console.log(`${response.status} ${method} ${url} ${text}`)
  return { method, url, status: response.status, text }
}

function result({ method, url, status, text }) {
  if (status !== 200) throw new Error(`${method} ${url}: ${status}`)
  return JSON.parse(text)
}

const call = async (...request) => result(await send(...request))

await call('GET', `${rest}/readyz`)
const unnamed = [
  await send('GET', `${rest}/v1/users?page_size=1`),
  await send('POST', `${rpc}/api.user.v1.User/ListUsers`, { pageSize: 1 }),
]
if (unnamed.every(({ status }) => status === 401)) {
  console.log('ok: both ports ask for credentials, of which this test has none')
  process.exit()
}
unnamed.forEach(result)
const email = `helm-test-${Date.now()}@example.org`
const { id } = await call('POST', `${rest}/v1/users`, { name: 'Helm test', email })
const found = await call('POST', `${rpc}/api.user.v1.User/GetUser`, { id })
await call('DELETE', `${rest}/v1/users/${id}`)
if (found.email !== email) throw new Error(`the ports disagree: ${JSON.stringify(found)}`)
console.log('ok')
