// The folders of src and what they import, from the sources themselves.
import { allImports } from '../rooms.ts'
import { arrow, box, type Box, picture } from './svg.ts'

const [width, height, gapX, gapY, margin] = [104, 30, 18, 46, 16]

/** Those that see everything, and those that nearly everything sees. */
const notDrawn = ['', 'app', 'command', 'gen', 'memory', 'text']

/** `src/NAME/…` → NAME, if it is drawn. */
function folderOf(path: string): string | undefined {
  const [, folder = ''] = /^src\/([a-z]+)\//.exec(path) ?? []
  return notDrawn.includes(folder) ? undefined : folder
}

function importedBy(): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>()
  for (const { from, to, ours } of allImports()) {
    const [above, below] = [folderOf(from), folderOf(to)]
    if (!ours || above === undefined || below === undefined) continue
    for (const each of [above, below]) if (!graph.has(each)) graph.set(each, new Set())
    if (above !== below) graph.get(above)?.add(below)
  }
  return graph
}

/** How many imports in a row lead down from a folder. Folders that import each other count once. */
function rank(
  graph: Map<string, Set<string>>,
  folder: string,
  path: readonly string[] = [],
): number {
  const next = [...(graph.get(folder) ?? [])].filter((each) => !path.includes(each))
  return Math.max(0, ...next.map((each) => 1 + rank(graph, each, [...path, folder])))
}

/** Whether a folder is reached from another one by more than one import. */
function isReachedBetween(graph: Map<string, Set<string>>, from: string, to: string): boolean {
  const seen = new Set<string>([from])
  const open = [...(graph.get(from) ?? [])].filter((each) => each !== to)
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    if (seen.has(each)) continue
    seen.add(each)
    if (graph.get(each)?.has(to)) return true
    open.push(...(graph.get(each) ?? []))
  }
  return false
}

/** docs/pictures/rooms.svg */
export function roomsPicture(): string {
  const graph = importedBy()
  const ranks = Map.groupBy([...graph.keys()].toSorted(), (folder) => rank(graph, folder))
  const highest = Math.max(...ranks.keys())
  const most = Math.max(...[...ranks.values()].map((row) => row.length))
  const sheet = 2 * margin + most * width + (most - 1) * gapX
  const places = new Map<string, Box>()
  for (const [row, folders] of ranks) {
    const begin = (sheet - folders.length * (width + gapX) + gapX) / 2
    for (const [i, folder] of folders.entries())
      places.set(folder, {
        x: begin + i * (width + gapX),
        y: margin + (highest - row) * (height + gapY),
        width,
        height,
      })
  }
  const arrows = [...graph].flatMap(([from, all]) =>
    [...all].flatMap((to) => {
      const [begin, end] = [places.get(from), places.get(to)]
      if (!begin || !end || isReachedBetween(graph, from, to)) return []
      return [arrow(begin, end)]
    }),
  )
  const boxes = [...places].map(([folder, place]) => box(place, folder))
  return picture(
    sheet,
    2 * margin + (highest + 1) * (height + gapY) - gapY,
    'What the folders of src import: an arrow leads to what is imported',
    [...arrows.toSorted(), ...boxes.toSorted()],
  )
}
