// Preloaded by loaded.test.ts: writes the files of src/fleet and of ioredis that the program loads.
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, next) {
    const [file] = /(?:src\/fleet|ioredis)\/.*/.exec(url) ?? []
    if (file !== undefined) process.stderr.write(`${file}\n`)
    return next(url, context)
  },
})
