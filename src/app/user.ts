import { durationMs } from '@bufbuild/protobuf/wkt'
import { invalidUserInput, userUsecase } from '../biz/user.ts'
import type { Conf } from '../conf/conf.ts'
import { userRepo } from '../data/user.ts'
import { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { User } from '../gen/api/user/v1/user_pb.ts'
import { userService } from '../service/user.ts'
import type { Module, Parts } from './module.ts'
import { userServices } from './user-services.ts'
import { userSpans } from './user-spans.ts'

/** The module of users: serves api.user.v1.User from the storage of the process. */
export function userModule({ conf, storage, now, traced }: Parts): Module {
  const { db, reads } = storage
  const repo = traced('UserRepo', userRepo(db, { total: totalOptions(conf.data.total), reads }))
  const spans = userSpans(conf.tracing.personalData)
  const usecase = traced('UserUseCase', userUsecase(repo, now), spans)
  const service = traced('UserService', userService(usecase))
  return {
    services: userServices,
    reasons: ErrorReason,
    invalid: invalidUserInput,
    routes: (router) => void router.service(User, service),
  }
}

function totalOptions({ exactUpTo, maxAge }: Conf['data']['total']) {
  return { exactUpTo, maxAgeMs: durationMs(maxAge) }
}
