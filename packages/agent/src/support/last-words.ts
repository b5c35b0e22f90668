/** Messages that the fake worker sends at `stop`, to see whether they arrive before its end is told. */
export const LAST_WORDS = 50
