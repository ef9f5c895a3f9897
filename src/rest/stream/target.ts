import type { DescField } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { LazyCall } from '../../call/context.ts'
import type { StreamInvoker } from '../../call/stream.ts'
import { stoppable, turnLater } from '../../call/stoppable.ts'
import { clientTimeoutMs } from '../../call/timeout.ts'
import { withinDeadline } from '../../call/within-deadline.ts'
import { sendError } from '../answer/answer.ts'
import { asPreconditionFailed, restError } from '../errors.ts'
import type { BodyTypes } from '../media-type.ts'
import type { RestSettings } from '../options.ts'
import { compileBinder } from '../request/bind.ts'
import { bodyTypes } from '../request/body-types.ts'
import { etagPath } from '../request/preconditions.ts'
import type { HttpBinding } from '../route/rules.ts'
import { answerer, closeIfUnread } from './answer.ts'
import { requestReader } from './read-request.ts'

/** Serves a binding whose request or answer is a stream, or the bytes of an HttpBody. */
export interface StreamTarget {
  kind: 'stream'
  binding: HttpBinding
  /** The path of the field that If-Match fills; undefined if the request has none. */
  etag: DescField[] | undefined
  types: BodyTypes
  /** Serves a request that matches the binding. `values` are those of the template's variables. */
  serve(request: FastifyRequest, reply: FastifyReply, values: readonly string[]): void
}

/** Makes the targets of a method, which `invoke` calls. */
export function streamTargets(invoke: StreamInvoker, settings: RestSettings) {
  return function streamTarget(binding: HttpBinding): StreamTarget {
    const types = bodyTypes(binding)
    const etag = etagPath(binding)
    const serve = server(binding, invoke, settings)
    return {
      kind: 'stream',
      binding,
      etag,
      types,
      serve(request, reply, values) {
        serve(request, reply, values).catch((err: unknown) => {
          const error = restError(err, settings.bodyLimit, types)
          sendError(request, reply, error, { observer: settings.observer })
        })
      },
    }
  }
}

type Serve = (
  request: FastifyRequest,
  reply: FastifyReply,
  values: readonly string[],
) => Promise<void>

function server(binding: HttpBinding, invoke: StreamInvoker, settings: RestSettings): Serve {
  const { method } = binding
  const { bind, observer, openStream, maxTimeoutMs } = settings
  const [etag, types] = [etagPath(binding), bodyTypes(binding)]
  const read = requestReader({ binding, bind: compileBinder(binding, bind), etag, types, settings })
  const answer = answerer(binding, settings)

  return async function serve(request, reply, values) {
    const asked = await read(request, reply, values)
    const send = answer(request, reply, asked)
    if (send === undefined) return
    // Nothing is left in it, but over HTTP/2 a stream is not over before that is read.
    if (asked.only) request.raw.resume()
    if (method.methodKind !== 'unary') openStream?.(request, reply)
    const timeoutMs = clientTimeoutMs(request.headers, maxTimeoutMs)
    const context = new LazyCall(method, request, reply, timeoutMs, settings.call)
    const call = { request, reply, context, observer, sent: asked.sent }
    try {
      const output = await withinDeadline(invoke(asked.messages, context), context)
      await send(call, stoppable(output, turnLater(context.signal)))
    } catch (err) {
      closeIfUnread(request, reply)
      const error = asked.isConditional ? asPreconditionFailed(restError(err)) : restError(err)
      sendError(request, reply, error, { observer, sent: asked.sent, call: context })
    }
  }
}
