/** `npm run test:arm64`: by itself, because a processor is emulated, which takes minutes. GODWIT_TEST_REPORT as in vitest.config.ts. */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/arm64/*.test.ts'],
    pool: 'forks',
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    disableConsoleIntercept: true,
    hookTimeout: 180_000,
    testTimeout: 600_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
  },
})
