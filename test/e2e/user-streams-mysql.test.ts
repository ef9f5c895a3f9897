import { userStreamTests } from './user-streams.ts'

userStreamTests('mysql')
