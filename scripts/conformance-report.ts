// Compares the output of the conformance suite with the list of known failures.

/** Failures that are known, as one section of the list has them. */
interface Section {
  patterns: RegExp[]
  /** How each complaint of the runner about such a case begins. */
  complaints: string[]
}

/** The totals of a run, and the failures that are not known. */
interface Report {
  passed: number
  failed: number
  known: number
  /**
   * What the runner complains of, as it says it; for known failures only what their section does
   * not.
   */
  failures: string[]
}

/**
 * Reads the list: a section is comments, then patterns of cases, one a line. A comment that begins
 * with `#:` is how a complaint may begin, so that a known failure cannot hide another.
 */
export function knownFailures(list: string): Section[] {
  const sections: Section[] = []
  let inPatterns = true
  for (const line of list.split('\n').map((text) => text.trim())) {
    if (line === '') continue
    const isComment = line.startsWith('#')
    if (isComment && inPatterns) sections.push({ patterns: [], complaints: [] })
    inPatterns = !isComment
    const section = sections.at(-1)
    if (line.startsWith('#:')) section?.complaints.push(line.slice(2).trim())
    else if (!isComment) section?.patterns.push(asRegExp(line))
  }
  return sections
}

/** `*` stands for one part of a case's name, `**` for any number of them. */
function asRegExp(pattern: string): RegExp {
  const parts = pattern.split('/').map((part) => {
    if (part === '**') return '.*'
    return part === '*' ? '[^/]*' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
  })
  return new RegExp(`^${parts.join('/')}$`)
}

/** Reads the output of a whole run; undefined if it has no totals. */
export function readReport(output: string, sections: Section[]): Report | undefined {
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? []
  if (passed === undefined || failed === undefined) return undefined
  const notRun = Number(/^Another (\d+) could not be run/m.exec(output)?.[1] ?? 0)
  const known = [...output.matchAll(/^INFO: (.*) failed \(as expected\):\n((?:\t.*\n?)*)/gm)]
  const hidden = known.flatMap(([, name = '', text = '']) => unexplained(name, text, sections))
  return {
    passed: Number(passed),
    failed: Number(failed) + notRun + hidden.length,
    known: known.length - hidden.length,
    failures: [...(output.match(/^FAILED: .*\n(?:\t.*\n?)*/gm) ?? []), ...hidden],
  }
}

function unexplained(name: string, text: string, sections: Section[]): string[] {
  const own = sections.filter(({ patterns }) => patterns.some((pattern) => pattern.test(name)))
  const allowed = own.flatMap(({ complaints }) => complaints)
  const others = text
    .split('\n')
    .map((line) => line.replace(/^[\t; ]+/, ''))
    .filter((line) => line !== '' && !allowed.some((complaint) => line.startsWith(complaint)))
  return others.length === 0
    ? []
    : [`FAILED: ${name}, for more than is known:\n\t${others.join('\n\t')}\n`]
}
