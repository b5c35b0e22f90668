/** `npm run test:compose`: by itself, because it needs a docker engine (scripts/with-docker.sh). GODWIT_TEST_REPORT as in vitest.config.ts. */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/compose/*.test.ts'],
    pool: 'forks',
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 400_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
