// Writes the digest of the chart's files beside what Helm has rendered from them.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chartDigest, renderedFolder } from '../chart.ts'

writeFileSync(join(renderedFolder, 'chart.sha256'), `${chartDigest()}\n`)
