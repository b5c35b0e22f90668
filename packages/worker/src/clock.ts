/**
 * The worker's clock, in milliseconds: CLOCK_MONOTONIC, which all processes and threads of one machine share. Two
 * workers on one machine therefore have an offset of 0, which is how the offset's estimate is tested for real.
 */
const NANOSECONDS_PER_MS = 1e6

export function nowMs(): number {
  return Number(process.hrtime.bigint()) / NANOSECONDS_PER_MS
}
