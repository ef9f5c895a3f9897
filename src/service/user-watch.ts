import type { UserEvent as DomainEvent, WatchQuery } from '../biz/user-watch.ts'
import { UserEvent_Kind, type WatchUsersRequest } from '../gen/api/user/v1/user_pb.ts'
import { decodeResumeToken, encodeResumeToken } from './resume-token.ts'
import { invalid, toReply } from './user.ts'

const kinds = {
  created: UserEvent_Kind.CREATED,
  updated: UserEvent_Kind.UPDATED,
  deleted: UserEvent_Kind.DELETED,
  present: UserEvent_Kind.PRESENT,
  synced: UserEvent_Kind.SYNCED,
} as const

/** What a request asks to watch. */
export function toWatchQuery({ resumeToken, snapshot, ids }: WatchUsersRequest): WatchQuery {
  const from = resumeToken === '' ? undefined : decodeResumeToken(resumeToken)
  if (resumeToken !== '' && from === undefined)
    throw invalid('resume_token', 'must be a resume_token of this service')
  return { from, snapshot, ids }
}

/** An event as a message. */
export function toEvent(event: DomainEvent) {
  const kind = kinds[event.kind]
  const resumeToken = 'position' in event ? encodeResumeToken(event.position) : ''
  if ('user' in event) return { kind, resumeToken, id: event.user.id, user: toReply(event.user) }
  return { kind, resumeToken, id: 'id' in event ? event.id : 0n }
}
