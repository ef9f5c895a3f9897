import type { ServiceImpl } from '@connectrpc/connect'
import type { UserStreams } from '../biz/user-streams.ts'
import type { User } from '../gen/api/user/v1/user_pb.ts'
import { unordered } from './unordered.ts'
import { exportFormat } from './user-export.ts'
import { importRows, toImportReply } from './user-import.ts'
import { syncReply, type SyncParts } from './user-sync.ts'
import { toEvent, toWatchQuery } from './user-watch.ts'

/** Writes of one SyncUsers that are carried out at once. */
const maxOpen = 32

/** The streaming methods of api.user.v1.User. */
type StreamingMethods = Pick<
  ServiceImpl<typeof User>,
  'watchUsers' | 'exportUsers' | 'importUsers' | 'syncUsers'
>

/** Serves the streaming methods of api.user.v1.User. */
export function userStreamService(users: UserStreams, parts: SyncParts): StreamingMethods {
  return {
    async *watchUsers(request, { signal }) {
      const events = await users.watch(toWatchQuery(request), signal)
      for await (const event of events) yield toEvent(event)
    },
    async *exportUsers({ format: name, after }, { signal, responseHeader }) {
      const { contentType, extension, head, encode } = exportFormat(name)
      responseHeader.set('content-disposition', `attachment; filename="users.${extension}"`)
      let before = head
      for await (const page of users.export(after, signal)) {
        yield { contentType, data: Buffer.from(before + encode(page)) }
        before = ''
      }
    },
    async importUsers(requests, { signal }) {
      return toImportReply(await users.import(importRows(requests, parts.check), signal))
    },
    syncUsers: (requests, context) =>
      unordered(requests, maxOpen, (request) => syncReply(request, parts, context)),
  }
}
