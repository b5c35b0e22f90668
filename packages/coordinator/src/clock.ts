/**
 * Time as the coordinator has it: what it measures, and what it waits for. Given to whatever keeps time, so that a simulation
 * can have one of its own, in which hours pass at once and two parties disagree.
 */

export interface Clock {
  /** Milliseconds since some instant of this process. */
  nowMs(): number
  /** Milliseconds since 1970, as the host has it. It may jump, and goes on while no coordinator runs: see watched-time.ts. */
  calendarMs(): number
  /** Calls `action` once, so many milliseconds from now at the earliest. Returns what prevents it. */
  after(delayMs: number, action: () => void): () => void
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  calendarMs: () => Date.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, Math.ceil(delayMs))
    return () => clearTimeout(timer)
  },
}
