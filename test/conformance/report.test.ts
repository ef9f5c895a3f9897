import { test } from 'tap'
import { knownFailures, readReport } from '../../scripts/conformance-report.ts'

const known = knownFailures(`
# Details that the suite does not expect.
#: actual error contain 1 details
Sizes/**/unary/too-large
Paths/*/unknown

# Another reason.
#: actual error {code: 3
Types/**
`)

function info(name: string, ...complaints: string[]): string {
  return `INFO: ${name} failed (as expected):\n${complaints.map((line) => `\t${line}\n`).join('')}`
}

test('a known failure counts as known for the complaints of its own section only', async (t) => {
  const output = [
    info(
      'Sizes/HTTPVersion:1/TLS:false/unary/too-large',
      'actual error contain 1 details; expecting 0',
    ),
    info('Paths/TLS:true/unknown', '; actual error contain 1 details; expecting 0', ''),
    info(
      'Types/a/b',
      'actual error {code: 3 (invalid_argument)}',
      'actual error contain 1 details',
    ),
    '\nTotal cases: 13\n10 passed, 0 failed\n(Another 3 failed as expected)\n',
  ].join('')
  const report = readReport(output, known)
  t.match(report, { passed: 10, failed: 1, known: 2 })
  t.equal(report?.failures.length, 1)
  t.match(report?.failures[0], /^FAILED: Types\/a\/b, .*\n\tactual error contain 1 details\n$/)
})

test('a pattern stands for as many parts of a name as it says', async (t) => {
  const complaint = 'actual error contain 1 details'
  const output = `${info('Paths/a/b/unknown', complaint)}\n0 passed, 0 failed\n`
  t.match(readReport(output, known), { failed: 1, known: 0 })
})

test('failures keep their complaints, and cases that did not run are failures', async (t) => {
  const failure = 'FAILED: Basic/unary:\n\tactual response headers missing "x"\n\tand more\n'
  const tail = 'Another 4 could not be run due to client timing out or exiting prematurely.\n'
  const report = readReport(`${failure}\nTotal cases: 3\n2 passed, 1 failed\n${tail}`, known)
  t.strictSame(report, { passed: 2, failed: 5, known: 0, failures: [failure] })
})

test('a run without totals has no report', async (t) => {
  t.equal(readReport('Running 3 tests\n', known), undefined)
})
