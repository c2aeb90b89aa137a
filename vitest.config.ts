import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Real servers and child processes: two files at a time are what two cores can carry.
    maxWorkers: 2,
  },
})
