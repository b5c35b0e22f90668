/**
 * One pace for all streams of a migration: its limits brought together, and the clock brought to @godwit/engine's rules.
 *
 * There are three limits and the smallest holds: what the person gave this migration, this migration's share of what the host
 * gives all of its own, and what training may be slowed down by. The last is for rounds that are sent while training runs. From
 * the moment a park is asked for it is lifted: what is left then is downtime.
 */
import { atRate, letGo, unpaced, waitMs } from '@godwit/engine'
import { LIMITS } from '@godwit/protocol'
import { nowMs } from './clock.ts'

export class Pacing {
  readonly #givenBytesPerMs: number
  #hostBytesPerMs = Number.POSITIVE_INFINITY
  #gentleBytesPerMs = Number.POSITIVE_INFINITY
  #hurries = false
  #pace = unpaced(nowMs())
  readonly #waiting = new Set<() => void>()

  /** `maxBandwidth`: bytes a second. */
  constructor(maxBandwidth?: number) {
    this.#givenBytesPerMs = perMs(maxBandwidth)
    this.#changed()
  }

  /** What the person and the host allow, which also holds while the thread is parked; infinite when they set no limit. */
  get allowedBytesPerMs(): number {
    return Math.min(this.#givenBytesPerMs, this.#hostBytesPerMs)
  }

  /** Of a frame: small ones on a slow link, or its bytes would leave in lumps. */
  get framePages(): number {
    const { bytesPerMs } = this.#pace
    const isSlow = bytesPerMs !== undefined && bytesPerMs < perMs(LIMITS.slowBandwidth)
    return isSlow ? LIMITS.slowFramePages : LIMITS.maxFramePages
  }

  /** This migration's share of the host's bandwidth, in bytes a second; undefined: the host sets no limit. */
  set hostBandwidth(bandwidth: number | undefined) {
    this.#hostBytesPerMs = perMs(bandwidth)
    this.#changed()
  }

  /** What keeps training's slowdown within bounds; undefined: no limit. */
  set gentleBytesPerMs(bytesPerMs: number | undefined) {
    const gentle = bytesPerMs ?? Number.POSITIVE_INFINITY
    if (gentle === this.#gentleBytesPerMs) return
    this.#gentleBytesPerMs = gentle
    this.#changed()
  }

  /** A park is asked for, or was taken back. */
  set hurries(hurries: boolean) {
    this.#hurries = hurries
    this.#changed()
  }

  get mustWait(): boolean {
    return waitMs(this.#pace, nowMs()) > 0
  }

  /** Resolves when bytes may leave, a limit has changed, or `wake` was called: ask `mustWait` again. */
  async change(): Promise<void> {
    const ms = waitMs(this.#pace, nowMs())
    if (ms <= 0) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#waiting.add(done)
    })
  }

  left(bytes: number): void {
    this.#pace = letGo(this.#pace, bytes, nowMs())
  }

  wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  #changed(): void {
    const bytesPerMs = Math.min(
      this.allowedBytesPerMs,
      this.#hurries ? Number.POSITIVE_INFINITY : this.#gentleBytesPerMs,
    )
    this.#pace = atRate(this.#pace, Number.isFinite(bytesPerMs) ? bytesPerMs : undefined, nowMs())
    this.wake()
  }
}

function perMs(bytesPerSecond: number | undefined): number {
  return bytesPerSecond === undefined ? Number.POSITIVE_INFINITY : bytesPerSecond / 1000
}
