import { userStreamTests } from './user-streams.ts'

userStreamTests('sqlite')
