/** Lines that a job's program printed, as they are shown: the latest, without what would steer a terminal. */
import type { LogLine } from '@godwit/protocol'

export const MAX_LINES = 1000

/** By number; a line that is told again after a lost connection is there once. */
export function withLines(known: readonly LogLine[], told: readonly LogLine[]): readonly LogLine[] {
  const last = known.at(-1)?.line ?? -1
  const fresh = told.filter(({ line }) => line > last)
  return fresh.length === 0 ? known : [...known, ...fresh].slice(-MAX_LINES)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const STEERING = /\u001b\[[0-?]*[ -/]*[@-~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** Colours and cursor movements of a terminal mean nothing on a page. */
export function plainText(text: string): string {
  return text.replaceAll(STEERING, '')
}
