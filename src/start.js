// The first file of a start. It is JavaScript: without the cache node loads a compiler of 12 MB to take
// the types out of a file, and main.ts would be read before it could switch the cache on.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// What one start compiles, the next one reads. The directory is the program's own, since whoever may
// write to it decides what is run. Where it cannot be written, nothing is kept.
const directory = fileURLToPath(new URL('../node_modules/.cache/compile', import.meta.url))
// By paths from there, so that what the image's build stage has compiled fits wherever it is copied.
enableCompileCache({ directory, portable: true })
await import('./main.ts')
