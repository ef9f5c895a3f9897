/** How the agent of Consul is reached. */
export interface AgentOptions {
  /** `http://host:port` or `https://host:port`. */
  url: string
  /** Empty: none. */
  token: string
  /** For each call. */
  timeoutMs: number
}

interface Request {
  body?: unknown
  /** In place of the time for each call. */
  timeoutMs?: number
  signal?: AbortSignal
}

/** An answer of the agent. */
export interface Answer {
  status: number
  /** X-Consul-Index: changes with what was asked for; 0 where there is none. */
  index: bigint
  text: string
}

/** Calls the agent, as consulAgent makes it. */
export type Agent = ReturnType<typeof consulAgent>

/** The HTTP API of Consul's agent. */
export function consulAgent({ url, token, timeoutMs }: AgentOptions) {
  return async function call(
    method: 'GET' | 'PUT',
    path: string,
    { body, timeoutMs: ownTimeoutMs = timeoutMs, signal }: Request = {},
  ): Promise<Answer> {
    const timeout = AbortSignal.timeout(ownTimeoutMs)
    const response = await fetch(new URL(path, url), {
      method,
      headers: token === '' ? {} : { 'x-consul-token': token },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const index = response.headers.get('x-consul-index') ?? ''
    return {
      status: response.status,
      index: /^\d+$/.test(index) ? BigInt(index) : 0n,
      text: await response.text(),
    }
  }
}
