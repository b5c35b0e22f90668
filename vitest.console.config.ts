/**
 * `npm run test:console`: by itself, because it needs a browser. One file after the other: a browser and a training job take the cores there
 * are. GODWIT_TEST_REPORT as in vitest.config.ts.
 */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
    name: 'console',
    include: ['test/console/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    disableConsoleIntercept: true,
    hookTimeout: 120_000,
    testTimeout: 180_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
