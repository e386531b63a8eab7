import { defineConfig } from 'vitest/config'

const report = process.env.SLUICE_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    retry: 0,
    setupFiles: ['test/support/fuzz.ts'],
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
  },
})
