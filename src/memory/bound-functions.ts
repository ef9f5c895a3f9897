import { AsyncResource } from 'node:async_hooks'

/**
 * Replaces `AsyncResource.prototype.bind` by one whose functions have no property `asyncResource`, which
 * node deprecates (DEP0172). To be called before calls are made.
 *
 * Node makes that property of two getters for each function. V8 keeps what a getter refers to with the hidden
 * class, in the old space, until a full collection (ADR 32); and node:http2 binds a function, which refers to
 * the stream and all its listeners, for each request of a client.
 */
export function bindWithoutGetters(): void {
  AsyncResource.prototype.bind = leanBind as AsyncResource['bind']
}

type Bindable = (...args: unknown[]) => unknown

function leanBind(this: AsyncResource, fn: Bindable, thisArg?: unknown): Bindable {
  if (typeof fn !== 'function') throw new TypeError('The argument "fn" must be a function')
  return boundTo(this, fn, thisArg)
}

function boundTo(resource: AsyncResource, fn: Bindable, thisArg: unknown): Bindable {
  function bound(this: unknown, ...args: unknown[]): unknown {
    return resource.runInAsyncScope(fn, thisArg === undefined ? this : thisArg, ...args)
  }
  return Object.defineProperty(bound, 'length', { value: fn.length, configurable: true })
}
