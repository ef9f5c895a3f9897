import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { newService } from '../../scripts/new/service/service.ts'

test('a resource of a new project whose files the frame or its nouns have is refused', async (t) => {
  const named = (resource: string) => () =>
    newService({
      name: 'library',
      dir: join(tmpdir(), 'library-of-no-files'),
      resource,
      fields: ['name:string'],
      plural: undefined,
      dryRun: true,
    })
  t.throws(named('user'), { message: /^the name is in use: there is .*src\/biz\/user\.ts/ })
  t.throws(named('cache'), { message: /^the name is in use: there is src\/app\/cache\.ts/ })
})
