/**
 * `npm run test:netns`: by itself, because it needs root, and takes minutes. Files run side by side, since they mostly wait for
 * somebody to be given up; what measures a line runs alone, after them. GODWIT_TEST_REPORT as in vitest.config.ts.
 */
import { defineConfig } from 'vitest/config'

const report = process.env.GODWIT_TEST_REPORT

export default defineConfig({
  test: {
    pool: 'forks',
    // Runs of other configurations go on beside this one, and would write the same file.
    cache: false,
    disableConsoleIntercept: true,
    hookTimeout: 120_000,
    testTimeout: 240_000,
    reporters: report === undefined ? ['verbose'] : ['verbose', ['json', { outputFile: report }]],
    projects: [
      {
        extends: true,
        test: {
          name: 'hosts',
          include: ['test/netns/*.test.ts'],
          exclude: ['test/netns/long-distance.test.ts'],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'long-distance',
          include: ['test/netns/long-distance.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
