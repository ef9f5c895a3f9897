// `npm run pictures` draws docs/pictures: the way of a call and the imports of src from the code, and the spans
// of an order from a run of the service. With `--check` it draws nothing and fails when a picture of the code is
// not what it would draw; a run has other times each time.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../tool.ts'
import { callPicture } from './call.ts'
import { roomsPicture } from './rooms.ts'

const folder = join(project, 'docs/pictures')
const pictures = { 'call.svg': callPicture(), 'rooms.svg': roomsPicture() }

if (process.argv.includes('--check')) {
  for (const [name, drawn] of Object.entries(pictures)) {
    if (readFileSync(join(folder, name), 'utf8') === drawn) continue
    console.error(`docs/pictures/${name} is not what \`npm run pictures\` draws`)
    process.exitCode = 1
  }
} else {
  const { tracePicture } = await import('./trace.ts')
  const drawn = { ...pictures, 'trace.svg': await tracePicture() }
  for (const [name, text] of Object.entries(drawn)) writeFileSync(join(folder, name), text)
}
