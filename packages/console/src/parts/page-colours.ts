/**
 * Colours of pages. Rounds are one hue, from pale to strong, so that later is seen as more; what is dirtied again is its opposite, and zeros are grey. So
 * they stay apart for people who do not see red, green or blue, and in grey.
 */
import type { Theme } from '../state/theme.ts'
import { DIRTY, LEFT, type PageState, SENT, ZERO } from './page-cells.ts'

type Rgb = readonly [red: number, green: number, blue: number]

interface Palette {
  readonly left: Rgb
  readonly zero: Rgb
  readonly dirty: Rgb
  /** From the first round to the latest. */
  readonly rounds: readonly Rgb[]
}

export const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    left: [0xee, 0xf1, 0xee],
    zero: [0xa8, 0xa0, 0x8e],
    dirty: [0xe8, 0x59, 0x0c],
    rounds: [
      [0x9f, 0xcf, 0xee],
      [0x57, 0x9f, 0xd2],
      [0x23, 0x6d, 0xab],
      [0x08, 0x30, 0x5f],
    ],
  },
  dark: {
    left: [0x22, 0x2b, 0x29],
    zero: [0x6f, 0x6a, 0x5d],
    dirty: [0xff, 0x8a, 0x3d],
    rounds: [
      [0x1d, 0x4f, 0x80],
      [0x2f, 0x7a, 0xb5],
      [0x6f, 0xb4, 0xe3],
      [0xd6, 0xef, 0xff],
    ],
  },
}

/** `latestRound`: the strongest of them, and the one before the next; those before share what is pale, so that the latest two stay apart from all. */
export function colourOf(state: PageState, latestRound: number, theme: Theme): Rgb {
  const { left, zero, dirty, rounds } = PALETTES[theme]
  if (state === LEFT) return left
  if (state === ZERO) return zero
  if (state === DIRTY) return dirty
  const at = strengthOf(state - SENT, latestRound, rounds.length - 1)
  const lower = Math.min(rounds.length - 2, Math.floor(at))
  return between(rounds[lower] as Rgb, rounds[lower + 1] as Rgb, at - lower)
}

/** From 0, the first of few, to `most`, the latest of many. */
function strengthOf(round: number, latestRound: number, most: number): number {
  if (latestRound <= most) return Math.min(most, round)
  const latest = most - (latestRound - round)
  return latest > most - 2 ? latest : ((most - 2) * round) / (latestRound - 2)
}

export function cssOf([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`
}

/** For each state the four bytes of a pixel, as they lie in an `ImageData` of a little-endian machine. */
export function pixelsOf(latestRound: number, theme: Theme): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, state) => {
    const [red, green, blue] = colourOf(state, latestRound, theme)
    return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0
  })
}

function between(from: Rgb, to: Rgb, share: number): Rgb {
  const mixed = (index: 0 | 1 | 2): number => Math.round(from[index] + (to[index] - from[index]) * share)
  return [mixed(0), mixed(1), mixed(2)]
}
