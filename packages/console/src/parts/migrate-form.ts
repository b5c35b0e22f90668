/** How a move is asked for, as it is typed, and what the coordinator is told of it. Each field that makes no sense has a sentence that says what would. */
import type { MigrationOptions } from '@godwit/protocol'
import { LIMITS, parseBandwidth } from '@godwit/protocol/light'
import { formatDuration } from '../format/units.ts'

export interface MigrateForm {
  /** Nothing of a job's bundle is brought to the target: it must have program and data. */
  readonly computeOnly: boolean
  readonly priority: MigrationOptions['priority']
  readonly hold: boolean
  readonly downtimeLimitMs: string
  readonly timeoutSeconds: string
  readonly onTimeout: MigrationOptions['onTimeout']
  readonly onStall: MigrationOptions['onStall']
  /** Empty: no limit. */
  readonly bandwidth: string
  /** Empty: as many as the link's round trip wants. */
  readonly streams: string
  readonly verify: boolean
}

export type FormField = keyof MigrateForm
export type FormProblems = { readonly [Field in FormField]?: string }

/** What was asked for; the coordinator has defaults for all else. */
export type AskedOptions = Pick<
  MigrationOptions,
  'computeOnly' | 'priority' | 'hold' | 'downtimeLimitMs' | 'timeoutMs' | 'onTimeout' | 'onStall' | 'verify'
> & { maxBandwidth?: number; streams?: number }

export const FIRST_FORM: MigrateForm = {
  computeOnly: false,
  priority: 'normal',
  hold: false,
  downtimeLimitMs: String(LIMITS.defaultDowntimeLimitMs),
  timeoutSeconds: String(LIMITS.defaultMigrationTimeoutMs / 1000),
  onTimeout: 'cancel',
  onStall: 'wait',
  bandwidth: '',
  streams: '',
  verify: false,
}

/** What is done when rounds no longer shrink. */
export const STALL_WORDS: Record<MigrationOptions['onStall'], string> = {
  wait: 'wait for a quiet moment',
  raiseLimit: 'allow more downtime',
  throttle: 'slow the job down',
  giveUp: 'give up',
}

export type Checked =
  | { readonly options: AskedOptions; readonly problems: undefined }
  | { readonly options: undefined; readonly problems: FormProblems }

export function checkForm(form: MigrateForm): Checked {
  const problems: { [Field in FormField]?: string } = {}
  const maxMs = LIMITS.maxMigrationMs
  const limitMs = numberIn(form.downtimeLimitMs)
  if (!(limitMs > 0 && limitMs <= maxMs))
    problems.downtimeLimitMs = `Write milliseconds, more than 0 and at most ${formatDuration(maxMs)}: 300 is usual.`
  const timeoutMs = 1000 * numberIn(form.timeoutSeconds)
  if (!(timeoutMs > 0 && timeoutMs <= maxMs))
    problems.timeoutSeconds = `Write seconds, more than 0 and at most ${formatDuration(maxMs)}: 600 is usual.`
  const streams = form.streams.trim() === '' ? undefined : numberIn(form.streams)
  if (streams !== undefined && !(Number.isInteger(streams) && streams >= 1 && streams <= LIMITS.maxStreams))
    problems.streams = `Write a whole number from 1 to ${LIMITS.maxStreams}, or nothing.`
  const maxBandwidth = bandwidthIn(form.bandwidth)
  if (typeof maxBandwidth === 'string') problems.bandwidth = maxBandwidth
  if (typeof maxBandwidth === 'string' || Object.keys(problems).length > 0)
    return { options: undefined, problems }
  const { computeOnly, priority, hold, onTimeout, onStall, verify } = form
  return {
    problems: undefined,
    options: {
      ...{
        computeOnly,
        priority,
        hold,
        downtimeLimitMs: limitMs,
        timeoutMs,
        onTimeout,
        onStall,
        verify,
      },
      ...(maxBandwidth !== undefined && { maxBandwidth }),
      ...(streams !== undefined && { streams }),
    },
  }
}

/** NaN where it is none. */
function numberIn(text: string): number {
  const plain = text.trim()
  return /^\d+(\.\d+)?$/.test(plain) ? Number(plain) : Number.NaN
}

/** Bytes a second; undefined for no limit; otherwise what is wrong with it. */
function bandwidthIn(text: string): number | undefined | string {
  if (text.trim() === '') return undefined
  try {
    return parseBandwidth(text)
  } catch {
    return `Write bytes a second, at least ${LIMITS.minBandwidth}, or with a unit, as in 100MiB or 1gbit; nothing for no limit.`
  }
}
