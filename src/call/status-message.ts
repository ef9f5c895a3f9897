import { create } from '@bufbuild/protobuf'
import { anyPack } from '@bufbuild/protobuf/wkt'
import type { ConnectError } from '@connectrpc/connect'
import { type Status, StatusSchema } from '../gen/google/rpc/status_pb.ts'

/** An error as google.rpc.Status, for messages that have one as a part. */
export function statusMessage({ code, rawMessage, details }: ConnectError): Status {
  return create(StatusSchema, {
    code,
    message: rawMessage,
    details: details.flatMap((detail) =>
      'desc' in detail ? [anyPack(detail.desc, create(detail.desc, detail.value))] : [],
    ),
  })
}
