import { durationMs } from '@bufbuild/protobuf/wkt'
import type { ConnectError } from '@connectrpc/connect'
import type { Logger } from 'pino'
import { invalidUserInput, userUsecase } from '../biz/user.ts'
import { userStreams } from '../biz/user-streams.ts'
import { isOfServer } from '../call/status.ts'
import { statusMessage } from '../call/status-message.ts'
import type { Conf } from '../conf/conf.ts'
import { changeFeed } from '../data/changes/feed.ts'
import { retention } from '../data/changes/retention.ts'
import type { UseChanges } from '../data/changes/source.ts'
import type { Database } from '../data/database.ts'
import { cachedUsers } from '../data/redis/user.ts'
import { userRepo } from '../data/user.ts'
import { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { User } from '../gen/api/user/v1/user_pb.ts'
import { described } from '../server/exchange/described.ts'
import { toConnectError } from '../server/interceptor/connect-error.ts'
import { userService } from '../service/user.ts'
import { userStreamService } from '../service/user-streams.ts'
import { throughCache } from './cache.ts'
import type { Module, Parts } from './module.ts'
import { userServices } from './user-services.ts'
import { userSpans } from './user-spans.ts'

/** The module of users: serves api.user.v1.User from the storage of the process. */
export function userModule({ conf, storage, cache, now, ...parts }: Parts): Module {
  const { traced, log, violations } = parts
  const { db, reads } = storage
  const history = userHistory(conf.data.watch, { db, log })
  const cached = cache?.of(cachedUsers)
  const closing = new AbortController()
  const stored = userRepo(db, {
    total: totalOptions(conf.data.total, { log, closing: closing.signal }),
    reads,
    written: history.feed.written,
    changed: cached?.changed,
  })
  const repo = traced('UserRepo', throughCache(stored, cached))
  const spans = userSpans(conf.tracing.personalData)
  const usecase = traced('UserUseCase', userUsecase(repo, now), spans)
  const streams = traced('UserUseCase', userStreams(repo, history.feed, now))
  const unary = traced('UserService', userService(usecase))
  const toStatus = (err: unknown) => statusMessage(logged(toConnectError(err), log))
  const streaming = userStreamService(streams, { unary, check: violations, toStatus })
  return {
    services: userServices,
    reasons: ErrorReason,
    invalid: invalidUserInput,
    // A span of a whole stream would be as long: its parts have spans.
    routes: (router) => void router.service(User, { ...unary, ...streaming }),
    close: async () => {
      closing.abort()
      await history.close()
    },
  }
}

/** The history of users: its readers, and what keeps it short. */
function userHistory({ poll, gapTimeout, retention: keep }: Conf['data']['watch'], parts: History) {
  const { db, log } = parts
  const use: UseChanges = (signal, work) => db.use(signal, ({ userChanges }) => work(userChanges))
  const feed = changeFeed({ use, pollMs: durationMs(poll), gapMs: durationMs(gapTimeout) })
  const cleaner = retention({
    use,
    keepMs: durationMs(keep),
    failed: (err) => log.warn({ err: described(err) }, 'old changes of users could not be deleted'),
  })
  return {
    feed,
    close: async () => {
      cleaner.stop()
      feed.close()
    },
  }
}

interface History {
  db: Database
  log: Logger
}

/** An error that is a part of an answer is no error of its call, whose log line has its cause. */
function logged(error: ConnectError, log: Logger): ConnectError {
  if (error.cause !== undefined && isOfServer(error))
    log.error({ err: described(error.cause) }, 'a write of a stream failed')
  return error
}

interface TotalParts {
  log: Logger
  closing: AbortSignal
}

function totalOptions({ exactUpTo, maxAge }: Conf['data']['total'], parts: TotalParts) {
  const { log, closing } = parts
  const failed = (err: unknown) =>
    log.warn({ err: described(err) }, 'users could not be counted anew: lists have an older total')
  return { exactUpTo, maxAgeMs: durationMs(maxAge), closing, failed }
}
