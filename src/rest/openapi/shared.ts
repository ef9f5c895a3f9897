import type { Schema } from './scalar-schema.ts'

const header = (name: string, description: string, schema: Schema): Schema => ({
  name,
  in: 'header',
  description,
  schema,
})

const tag = '(W/)?"[!#-~]*"'
const tagList = `^(\\*|${tag}( *, *${tag})*)$`

/** The header parameters that operations share, by the name of their component. */
export const sharedParameters: Readonly<Record<string, Schema>> = {
  IfMatch: header(
    'If-Match',
    'Entity tags in quotes, separated by commas, or `*`. If none of them is that of the current state, the call fails with PRECONDITION_FAILED and changes nothing.',
    { type: 'string', pattern: tagList },
  ),
  IfNoneMatch: header(
    'If-None-Match',
    'Entity tags of the states that the client holds, or `*`. The answer to one of them is 304.',
    { type: 'string' },
  ),
  IfNoneMatchAny: header(
    'If-None-Match',
    'The call fails with PRECONDITION_FAILED if there is any state, so it changes nothing.',
    { type: 'string', enum: ['*'] },
  ),
  ServerTimeout: header('X-Server-Timeout', 'How long the client waits, in seconds.', {
    type: 'string',
    pattern: '^[0-9]{1,10}(\\.[0-9]{1,9})?$',
  }),
  ConnectTimeout: header('Connect-Timeout-Ms', 'How long the client waits, in milliseconds.', {
    type: 'string',
    pattern: '^[0-9]{1,10}$',
  }),
  GrpcTimeout: header('Grpc-Timeout', 'How long the client waits, in the syntax of gRPC: `500m`.', {
    type: 'string',
    pattern: '^[0-9]{1,8}[HMSmun]$',
  }),
}

/** The headers of answers. */
export const sharedHeaders: Readonly<Record<string, Schema>> = {
  ETag: {
    description: 'The entity tag of the state in this answer, for If-Match and If-None-Match.',
    schema: { type: 'string' },
  },
  RetryAfter: {
    description: 'Seconds after which to try again, if they are known.',
    schema: { type: 'integer', minimum: 0 },
  },
}
