// What a run without a terminal shows of tap's output, and the totals that tap counts.

export type Totals = { passed: number; failed: number; skipped: number }

/** Of tap's last comment, `# { total: 3, pass: 1, fail: 1, skip: 1 }`; undefined if tap never got there. */
export function totals(tapOutput: string): Totals | undefined {
  const counts = tapOutput.match(/^# \{ total: .*\}$/gm)?.at(-1)
  if (counts === undefined) return undefined
  const count = (name: string) => Number(new RegExp(` ${name}: (\\d+)`).exec(counts)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') }
}

/**
 * Takes tap's output line by line and returns what is worth a line: each file, each failure with its
 * diagnosis, and whatever is not TAP, such as the coverage table or what a test printed.
 */
export function compact(): (line: string) => string | undefined {
  const titles: string[] = []
  const failuresBefore: number[] = []
  let failures = 0
  let diagnosis: 'shown' | 'hidden' | undefined
  let failed = false

  return (line) => {
    const text = line.trimStart()
    const depth = Math.floor((line.length - text.length) / 4)
    if (diagnosis !== undefined || text === '---') return inDiagnosis(text, line)
    const subtest = /^# Subtest: (.*)$/.exec(text)?.[1]
    if (subtest !== undefined) {
      titles.splice(depth, Infinity, subtest)
      failuresBefore[depth] = failures
      return undefined
    }
    const [, not, title] = /^(not )?ok \d+(?: - (.*?))?(?: #.*)?$/.exec(text) ?? []
    if (title !== undefined) return testPoint(depth, title, not === undefined)
    return /^(#.*|\d+\.\.\d+.*|TAP version \d+|pragma .*|)$/.test(text) ? undefined : line
  }

  function inDiagnosis(text: string, line: string): string | undefined {
    diagnosis ??= failed ? 'shown' : 'hidden'
    const shown = diagnosis === 'shown'
    if (text === '...') diagnosis = undefined
    return shown ? line : undefined
  }

  /** A subtest that failed only because of what is in it has been explained already. */
  function testPoint(depth: number, title: string, ok: boolean): string | undefined {
    const explained = titles[depth] === title && failures > (failuresBefore[depth] ?? 0)
    const path = [...titles.slice(0, depth), title].join(' > ')
    titles.length = Math.min(titles.length, depth)
    failed = !ok && !explained
    if (failed) failures += 1
    return failed || depth === 0 ? `${ok ? 'ok  ' : 'FAIL'} ${path}` : undefined
  }
}
