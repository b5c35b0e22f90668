/** From here on a link is long: what is under way on it is more than a kernel holds for one connection (4 MiB, as Linux comes). */
const LONG_ROUND_TRIP_MS = 10
const STREAMS_OF_LONG_LINK = 4

/**
 * Bulk connections for a link of this round trip, where nobody said how many.
 *
 * On a long link one connection carries no more than its send buffer each round trip: 250 Mbit/s and 150 ms were filled to 0.54 by one, to
 * 0.88 by four. On a short one four are no faster than one (docs/targets.md).
 */
export function streamsFor(roundTripMs: number): number {
  return roundTripMs < LONG_ROUND_TRIP_MS ? 1 : STREAMS_OF_LONG_LINK
}
