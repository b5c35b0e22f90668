/**
 * The options of a migration as they are typed. `migrate` and `estimate` have the same ones, so that what was estimated
 * is what is then done. The coordinator has the defaults; here they are only told.
 */
import { LIMITS, type MigrationOptions } from '@godwit/protocol'
import { type Command, Option } from 'commander'
import { bandwidth, positiveMs, share, wholeNumber } from './options.ts'

/** Of options with a few values: how each is typed, and what it is called on the wire. */
const CHOICES = {
  priority: { high: 'high', normal: 'normal', low: 'low' },
  method: { precopy: 'precopy', stopcopy: 'stopcopy' },
  parkPoint: { auto: 'auto', boundary: 'boundary', 'pre-apply': 'preApply' },
  codec: { auto: 'auto', raw: 'raw', xor: 'xor' },
  onStall: { wait: 'wait', 'raise-limit': 'raiseLimit', throttle: 'throttle', 'give-up': 'giveUp' },
  onTimeout: { cancel: 'cancel', force: 'force' },
} as const satisfies { [Name in keyof MigrationOptions]?: Record<string, MigrationOptions[Name]> }

/** Adds them to a command. */
export function addMigrationOptions(command: Command): Command {
  return command
    .addOption(
      choice(
        '--priority <priority>',
        'priority',
        "who goes first, and how much of the host's bandwidth it gets (default: normal)",
      ),
    )
    .option('--hold', 'wait before the switchover until godwit switchover lets it go')
    .option('--compute-only', 'bring nothing of the program and its data: the target must have them')
    .addOption(
      new Option(
        '--with-data',
        'bring what the target lacks of them: so it is unless said otherwise',
      ).conflicts('computeOnly'),
    )
    .option(
      '--downtime-limit-ms <ms>',
      `pause that is allowed (default: ${LIMITS.defaultDowntimeLimitMs})`,
      positiveMs,
    )
    .option(
      '--max-downtime-ms <ms>',
      'pause after which the source goes on (default: twice the limit)',
      positiveMs,
    )
    .addOption(
      choice('--method <method>', 'method', 'rounds while training runs, or park at once (default: precopy)'),
    )
    .addOption(
      choice(
        '--park-point <point>',
        'parkPoint',
        'where in a step to park (default: auto, where less is left to send)',
      ),
    )
    .addOption(
      choice(
        '--codec <codec>',
        'codec',
        'of pages on the wire (default: auto, what link and processor do best with)',
      ),
    )
    .option(
      '--streams <n>',
      `bulk connections, up to ${LIMITS.maxStreams} (default: as the link's round trip wants)`,
      wholeNumber(1, LIMITS.maxStreams),
    )
    .option('--max-bandwidth <rate>', 'bytes a second, or like 1gbit, 100MiB (default: no limit)', bandwidth)
    .option(
      '--max-slowdown <share>',
      'how much longer steps may become meanwhile, e.g. 10% (default: 10% where cores are free)',
      share(0.01, 100),
    )
    .addOption(
      choice(
        '--on-stall <what>',
        'onStall',
        'when rounds no longer shrink and the pause would be too long (default: wait)',
      ),
    )
    .option(
      '--timeout-ms <ms>',
      `for the switchover to begin (default: ${LIMITS.defaultMigrationTimeoutMs})`,
      positiveMs,
    )
    .addOption(choice('--on-timeout <what>', 'onTimeout', 'when it has not by then (default: cancel)'))
    .option(
      '--verify',
      'both sides hash all memory at the switchover and compare; the pause is longer by that',
    )
}

/** Only what was asked for. */
export function migrationOptionsOf({
  withData: _,
  ...typed
}: Partial<MigrationOptions> & { withData?: boolean }): Partial<MigrationOptions> {
  return Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== undefined))
}

function choice(flags: string, name: keyof typeof CHOICES, description: string): Option {
  const values: Record<string, string> = CHOICES[name]
  const option = new Option(flags, description).choices(Object.keys(values))
  const check = option.parseArg as (text: string, previous: unknown) => string
  return option.argParser((text) => values[check(text, undefined)])
}
