// Users on a page: their list, which follows every change, and a form that creates one.
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import { User, UserEvent_Kind } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'

const baseUrl = new URLSearchParams(location.search).get('service') ?? 'http://localhost:9000'
const users = createClient(User, createConnectTransport({ baseUrl }))

const form = document.querySelector('form')
const error = document.querySelector('#error')
const state = document.querySelector('#state')
const body = document.querySelector('tbody')

/** The row of a user, which is made when it is missing. */
function rowOf(id) {
  const known = document.getElementById(`user-${id}`)
  if (known) return known
  const row = document.createElement('tr')
  row.id = `user-${id}`
  body.append(row)
  return row
}

function show({ kind, id, user }) {
  if (kind === UserEvent_Kind.SYNCED) state.textContent = 'live'
  else if (kind === UserEvent_Kind.DELETED) document.getElementById(`user-${id}`)?.remove()
  else if (user)
    rowOf(id).replaceChildren(
      ...[id, user.name, user.email].map((value) => {
        const cell = document.createElement('td')
        // As text, never as HTML: names come from anyone.
        cell.textContent = String(value)
        return cell
      }),
    )
}

/** What the service says of an error: each field with the rule that it breaks. */
function explain(err) {
  const connectError = ConnectError.from(err)
  const [info] = connectError.findDetails(ErrorInfoSchema)
  const fields = Object.entries(info?.metadata ?? {}).map(([field, rule]) => `${field}: ${rule}`)
  return [info?.reason ?? Code[connectError.code], ...fields].join(', ')
}

async function create() {
  try {
    const { name, email } = Object.fromEntries(new FormData(form))
    await users.createUser({ name, email })
    error.textContent = ''
    form.reset()
  } catch (err) {
    error.textContent = explain(err)
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void create()
})

/** Waits a second before the next try. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 1000))

// First every user, then each change. A stream that breaks off is taken up where it was.
let resumeToken = ''
for (;;) {
  try {
    const from = resumeToken === '' ? { snapshot: true } : { resumeToken }
    for await (const event of users.watchUsers(from)) {
      if (event.resumeToken !== '') resumeToken = event.resumeToken
      show(event)
    }
  } catch (err) {
    state.textContent = `${explain(err)}; trying again`
    // Changes since then are not kept: begin with every user anew.
    if (ConnectError.from(err).code === Code.FailedPrecondition) {
      resumeToken = ''
      body.replaceChildren()
    }
  }
  await pause()
}
