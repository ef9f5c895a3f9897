// Prints how large the files, functions and folders of src/ are, and fails past the limits below.
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path/posix'
import { type Function as FunctionNode, parseSync, Visitor } from 'oxc-parser'
import { sources } from './imports.ts'
import { isOfNoun } from './nouns.ts'

const limits = {
  'files in a folder, without those of a noun': 16,
  'lines of a file': 250,
  'lines of a function': 70,
  'positional parameters': 4,
  'median of functions': 7,
  'p90 of functions': 22,
}
type Measure = keyof typeof limits

/** The exceptions from a limit: their places, each with the reason. */
const exceptions: Record<string, string> = {
  'positional parameters src/call/context.ts': 'an object would be allocated for every call',
}

interface FunctionSize {
  at: string
  lines: number
  parameters: number
}

type Body = Pick<FunctionNode, 'start' | 'end' | 'params' | 'body'>

/** Functions with a block body, in lines from the first of the head to the closing brace. */
function functionsOf(file: string, text: string): FunctionSize[] {
  const sizes: FunctionSize[] = []
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  function measure({ start, end, params, body }: Body): void {
    if (body?.type !== 'BlockStatement') return
    const line = lineOf(start)
    sizes.push({
      at: `${file}:${line}`,
      lines: lineOf(end) - line + 1,
      parameters: params.length,
    })
  }
  new Visitor({
    FunctionDeclaration: measure,
    FunctionExpression: measure,
    ArrowFunctionExpression: (node) => measure(node as unknown as Body),
  }).visit(parseSync(file, text).program)
  return sizes
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

const files = sources('src').map((file) => ({ file, text: readFileSync(file, 'utf8') }))
const lines = files.map(({ file, text }) => ({ at: file, size: text.split('\n').length - 1 }))
const functions = files.flatMap(({ file, text }) => functionsOf(file, text))
// A further noun adds a file to several folders, and nothing to what one has to know of them.
const shared = lines.filter(({ at }) => !isOfNoun(at))
const perFolder = Object.entries(Object.groupBy(shared, ({ at }) => dirname(at)))
const lengths = functions.map((each) => each.lines).toSorted((a, b) => a - b)
const largest = (sizes: readonly { at: string; size: number }[]) =>
  sizes.toSorted((a, b) => b.size - a.size).slice(0, 5)

const measured: Record<Measure, readonly { at: string; size: number }[]> = {
  'files in a folder, without those of a noun': largest(
    perFolder.map(([at, inside = []]) => ({ at, size: inside.length })),
  ),
  'lines of a file': largest(lines),
  'lines of a function': largest(functions.map(({ at, lines: size }) => ({ at, size }))),
  'positional parameters': largest(functions.map(({ at, parameters: size }) => ({ at, size }))),
  'median of functions': [{ at: 'src', size: quantile(lengths, 0.5) }],
  'p90 of functions': [{ at: 'src', size: quantile(lengths, 0.9) }],
}

const total = lines.reduce((sum, { size }) => sum + size, 0)
console.log(`${files.length} files, ${total} lines, ${functions.length} functions with a body`)
for (const [measure, sizes] of Object.entries(measured)) {
  const limit = limits[measure as Measure]
  const over = sizes.some(
    ({ at, size }) => size > limit && !(`${measure} ${at.split(':', 1)[0]}` in exceptions),
  )
  if (over) process.exitCode = 1
  console.log(`${over ? 'FAIL' : 'ok  '} ${measure} (at most ${limit})`)
  for (const { at, size } of sizes) {
    const reason = size > limit ? exceptions[`${measure} ${at.split(':', 1)[0]}`] : undefined
    console.log(`     ${String(size).padStart(4)} ${at}${reason ? ` (${reason})` : ''}`)
  }
}
