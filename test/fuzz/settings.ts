/**
 * How much is tried. By default little, and the same each time; `FUZZ=50 npx vitest run test/fuzz` tries fifty times as much,
 * `FUZZ_SEED=7` something else. A failure prints its seed and path; that one test (`-t`) takes it up again with `FUZZ_PATH`.
 */
const TIMES = Number(process.env.FUZZ ?? 1)
const PATH = process.env.FUZZ_PATH

export const SEED = Number(process.env.FUZZ_SEED ?? 20_260_305)

/** Parameters of a property that by default runs so many times. */
export const runs = (usual: number) => ({
  seed: SEED,
  numRuns: Math.ceil(usual * TIMES),
  ...(PATH === undefined ? {} : { path: PATH }),
})

/** Of a test, milliseconds. */
export const PATIENCE = 60_000 * Math.max(1, TIMES)
