import { User } from '../gen/api/user/v1/user_pb.ts'

/** The RPC services of users. Apart from the module, so that settings are checked before it is loaded. */
export const userServices = [User] as const
