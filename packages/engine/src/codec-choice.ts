/**
 * Which page codec the next round takes, from what the link and the encoder were measured to do.
 *
 * The encoder works while the socket sends what it made before, so a byte of memory costs the slower of the two: raw 1 / link;
 * xor the larger of 1 / encoder and 1 / (ratio x link). Hence xor can pay only on a link that is slower than the encoder, and pays
 * if the ratio is more than nothing. Both halves are measured, never assumed longer than it takes to try: before the first
 * try a modest ratio is hoped for on a link that is slow enough, and the first frames tell.
 *
 * Three things that a naive reading of the measurements gets wrong:
 *
 * 1. Only pages that *have a base* tell of the ratio. The first round of xor has none and goes raw; counted, it would say
 *    that xor is worth nothing and end it.
 * 2. A round that waited for the encoder says of the link only that it is *at least* so fast. Believed as it stands, a link
 *    that became fast would look slow for as long as xor is used, and xor would be used because of it. So such a round
 *    raises the estimate at most, and after a few in a row one round goes raw, to see.
 * 3. That round is not the parked one: nothing is tried out while the job stands still, the codec itself least of all.
 *
 * What is measured changes (another flow on the link, a busier core), so older bytes count less: means are weighted
 * exponentially, the encoder's by bytes, the link's by rounds.
 *
 * Invariant: with option `auto`, xor is never chosen where raw is expected to take less than a tenth more.
 */
import type { MigrationOptions, RoundCodec } from '@godwit/protocol'

/**
 * Of an encoder that has not been tried: a tenth of what a free core did, as `test/bench/codec.ts` shows it. A link that looks slow may be
 * one that nobody has time to serve: two pagers and a training thread on two cores move 150 MB/s over loopback. There the encoder would have no time
 * either, and trying costs 20 ms at both ends, once.
 */
const ASSUMED_XOR_BYTES_PER_MS = 50_000
/** Hoped for until it is known; what Adam's state of the programs that come along gives. */
const ASSUMED_RATIO = 1.2
/** What xor must be expected to save, since expectations err and it costs the training thread a busier core. */
const LEAST_SAVED_SHARE = 0.1
/** Below it the encoder has time to compress all that gives anything: that ran at five times this speed. */
const THOROUGH_BELOW_BYTES_PER_MS = 50_000
/** Of a round's time: with more of it spent encoding, the link may have waited. */
const ENCODER_BOUND_SHARE = 0.5
/** So many rounds that say nothing of the link are believed in a row. */
const MAX_BLIND_ROUNDS = 4
/** Page bytes after which what the encoder did before counts half. */
const HALF_LIFE_BYTES = 8 * 1024 * 1024
/** Weight of the newest round's rate. */
const NEWEST_ROUND_WEIGHT = 0.5

export interface CodecQuestion {
  readonly option: MigrationOptions['codec']
  /** Wire bytes a millisecond; undefined before anything was sent. */
  readonly linkBytesPerMs: number | undefined
  /** Page bytes that the encoder manages a millisecond; undefined before it was tried. */
  readonly xorBytesPerMs: number | undefined
  /** Page bytes for each byte on the wire; undefined before it was tried. */
  readonly ratio: number | undefined
}

/** The codec that is expected to be through first; raw when the other would not save a tenth, or nothing is known of the link. */
export function chooseCodec({ option, linkBytesPerMs, xorBytesPerMs, ratio }: CodecQuestion): RoundCodec {
  if (option !== 'auto') return option
  if (linkBytesPerMs === undefined || !(linkBytesPerMs > 0)) return 'raw'
  const encoding = xorBytesPerMs ?? ASSUMED_XOR_BYTES_PER_MS
  const sending = (ratio ?? ASSUMED_RATIO) * linkBytesPerMs
  return linkBytesPerMs < (1 - LEAST_SAVED_SHARE) * Math.min(encoding, sending) ? 'xor' : 'raw'
}

/** What one migration has learnt so far. A value: the functions below return the next one. */
export interface CodecKnowledge {
  readonly linkBytesPerMs: number | undefined
  /** Rounds in a row that said only how fast the link is at least. */
  readonly blindRounds: number
  /** Sums over what the encoder did, in which older bytes count less. */
  readonly pageBytes: number
  readonly wireBytes: number
  readonly encodeMs: number
}

export const NOTHING_KNOWN: CodecKnowledge = {
  linkBytesPerMs: undefined,
  blindRounds: 0,
  pageBytes: 0,
  wireBytes: 0,
  encodeMs: 0,
}

/**
 * After frames in which pages with a base were encoded: `pageBytes` of those pages, `wireBytes` that they took (as many when they went
 * raw because it was not worth it), and the milliseconds that took.
 */
export function learnFromEncoding(
  known: CodecKnowledge,
  { pageBytes, wireBytes, encodeMs }: { pageBytes: number; wireBytes: number; encodeMs: number },
): CodecKnowledge {
  const kept = 0.5 ** (pageBytes / HALF_LIFE_BYTES)
  return {
    ...known,
    pageBytes: known.pageBytes * kept + pageBytes,
    wireBytes: known.wireBytes * kept + wireBytes,
    encodeMs: known.encodeMs * kept + encodeMs,
  }
}

/**
 * After a round: `bytesPerMs` installed while any were under way, and how much of the round's `durationMs` went into encoding
 * (0 when it was raw).
 */
export function learnFromRound(
  known: CodecKnowledge,
  { bytesPerMs, durationMs, encodeMs }: { bytesPerMs: number; durationMs: number; encodeMs: number },
): CodecKnowledge {
  const before = known.linkBytesPerMs
  if (encodeMs > ENCODER_BOUND_SHARE * durationMs) {
    const linkBytesPerMs = Math.max(before ?? 0, bytesPerMs)
    return { ...known, linkBytesPerMs, blindRounds: known.blindRounds + 1 }
  }
  const linkBytesPerMs =
    before === undefined ? bytesPerMs : before + (bytesPerMs - before) * NEWEST_ROUND_WEIGHT
  return { ...known, linkBytesPerMs, blindRounds: 0 }
}

/**
 * The codec of the next round, and how hard the encoder tries. `isParked`: the job stands still meanwhile. May be asked
 * again within a round, once frames told more: what was chosen before costs nothing to leave.
 */
export function codecOfRound(
  known: CodecKnowledge,
  { option, isParked }: { option: CodecQuestion['option']; isParked: boolean },
): { codec: RoundCodec; effort: 'quick' | 'thorough' } {
  const { linkBytesPerMs, blindRounds, pageBytes, wireBytes, encodeMs } = known
  const effort = (linkBytesPerMs ?? Infinity) < THOROUGH_BELOW_BYTES_PER_MS ? 'thorough' : 'quick'
  const isUntried = encodeMs === 0
  if (option === 'auto' && (isParked ? isUntried : blindRounds >= MAX_BLIND_ROUNDS))
    return { codec: 'raw', effort }
  const codec = chooseCodec({
    option,
    linkBytesPerMs,
    xorBytesPerMs: isUntried ? undefined : pageBytes / encodeMs,
    ratio: wireBytes > 0 ? pageBytes / wireBytes : undefined,
  })
  return { codec, effort }
}
