/**
 * Sums vitest's JSON reports into one line, `N passed, N failed, N skipped`. A report that was never written, and a
 * test file that could not even be loaded, count as one failure each: silence must not look like success.
 */
import { readFileSync } from 'node:fs'

const sum = { passed: 0, failed: 0, skipped: 0 }
for (const path of process.argv.slice(2)) {
  let report
  try {
    report = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    sum.failed++
    continue
  }
  for (const file of report.testResults) {
    let failedHere = 0
    for (const { status } of file.assertionResults) {
      if (status === 'passed') sum.passed++
      else if (status === 'failed') failedHere++
      else sum.skipped++
    }
    sum.failed += file.status === 'failed' ? Math.max(1, failedHere) : failedHere
  }
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
