/**
 * The commands that run the services, `coordinator` and `agent`: flags are handed on to the room that is started, which knows what they mean.
 */
import type { Command } from 'commander'
import type { Io } from './io.ts'
import { collect, wholeNumber } from './options.ts'
import { runRoom } from './rooms.ts'
import type { GlobalOptions } from './session.ts'

/** Flags of the agent that take a value, handed on as they are; the agent knows their meaning. */
export const AGENT_FLAGS: readonly (readonly [string, string])[] = [
  [
    '--join <token>',
    'become a member of a secured cluster; better in GODWIT_JOIN_TOKEN, where no command line shows it',
  ],
  ['--name <name>', "this host's name (default: its hostname)"],
  ['--address <address>', 'where other hosts reach this one (default: 127.0.0.1)'],
  [
    '--fault-domain <domain>',
    'what fails together with this host: a zone, or zone/rack like east/rack-1 (default: default)',
  ],
  ['--label <key=value>', 'what jobs may require of a host; may be given several times'],
  ['--max-jobs <n>', 'takes no more jobs than these (default: no limit)'],
  [
    '--data-dir <dir>',
    'folder for sockets, logs and checkpoints of workers (default: one in the temporary folder)',
  ],
  [
    '--programs <dir>',
    'folder of programs that may be run here, besides those of Godwit; may be given several times',
  ],
  [
    '--bundles <policy>',
    'accept or refuse programs that are brought here with their data (default: accept; refuse where the connection leaves this machine in the clear)',
  ],
  ['--bundle-space <bytes>', 'for bundles that are kept, e.g. 16GiB (default: 16GiB)'],
  ['--memory <bytes>', 'paged memory for workers, e.g. 8GiB (default: 80% of what is free)'],
  [
    '--max-bandwidth <rate>',
    'for all migrations that leave this host: bytes a second, or like 1gbit, 100MiB',
  ],
  ['--listen-host <host>', 'where workers listen for migrations (default: the address)'],
  ['--port-range <A-B>', 'ports on which they listen (default: any free one)'],
  ['--orphan-timeout-ms <ms>', 'a worker whose agent is gone ends after so long'],
  ['--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: info)'],
]

/** Flags of the coordinator that take a value, handed on likewise. */
export const COORDINATOR_FLAGS: readonly (readonly [string, string])[] = [
  ['--host <host>', 'where to listen (default: 127.0.0.1)'],
  ['--port <port>', '0 takes any free one (default: 7070)'],
  ['--data-dir <dir>', 'folder in which it remembers everything (default: forgets all when it ends)'],
  ['--max-moves <n>', 'moves that are under way at once; the others are queued (default: 16)'],
  ['--max-moves-out <n>', 'of those, such as leave one host (default: 2)'],
  ['--max-moves-in <n>', 'such as come to one host (default: 2)'],
  ['--max-moves-link <n>', 'such as are between the same two zones (default: 4)'],
  ['--bundle-space <bytes>', 'for programs and data that are uploaded, e.g. 16GiB (default: 16GiB)'],
  ['--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (default: info)'],
]

/** What commands are given of the command line they belong to. */
export interface CommandLine {
  readonly io: Io
  globals(): GlobalOptions
  /** With the exit code of the command that ran. */
  finish(exitCode: number): void
}

export function addServices(program: Command, line: CommandLine): void {
  addCoordinator(program, line)
  addAgent(program, line)
}

function addCoordinator(program: Command, { io, globals, finish }: CommandLine): void {
  const coordinator = program.command('coordinator').description('run the coordinator')
  for (const [flags, description] of COORDINATOR_FLAGS) {
    if (flags.startsWith('--port')) coordinator.option(flags, description, wholeNumber(0))
    else coordinator.option(flags, description)
  }
  const runCoordinator = async (...command: string[]) => {
    const insecure = globals().insecure ? ['--insecure'] : []
    const args = [...command.slice(0, 1), ...flagsGiven(coordinator), ...command.slice(1), ...insecure]
    finish(await runRoom(io, 'coordinator/main', args))
  }
  coordinator.action(() => runCoordinator())
  // Their --data-dir is read with the coordinator's own.
  coordinator
    .command('init')
    .description('secure a cluster: make its authority, and print what its hosts and its admin need')
    .option(
      '--address <host[:port]>',
      'where the coordinator is reached; may be given several times',
      collect,
    )
    .option('--certificate-lifetime <time>', 'of its hosts, who renew them in time, like 30d (default: 90d)')
    .action(({ address = [], certificateLifetime }: { address?: string[]; certificateLifetime?: string }) =>
      runCoordinator(
        'init',
        ...address.flatMap((each) => ['--address', each]),
        ...(certificateLifetime === undefined ? [] : ['--certificate-lifetime', certificateLifetime]),
      ),
    )
  coordinator
    .command('admin-token')
    .description('a new token for an admin, where the last one is lost or has expired')
    .action(() => runCoordinator('admin-token'))
  coordinator
    .command('check-audit')
    .description('say whether lines of the audit log are missing or were changed')
    .action(() => runCoordinator('check-audit'))
}

function addAgent(program: Command, { io, globals, finish }: CommandLine): void {
  const agent = program.command('agent').description("run a host's agent")
  for (const [flags, description] of AGENT_FLAGS) {
    if (flags.startsWith('--programs') || flags.startsWith('--label'))
      agent.option(flags, description, collect)
    else agent.option(flags, description)
  }
  agent.action(async () => {
    const { coordinator: url, insecure } = globals()
    const args = ['--coordinator', url, ...flagsGiven(agent, 'join'), ...(insecure ? ['--insecure'] : [])]
    const { join } = agent.opts<{ join?: string }>()
    const env = join === undefined ? {} : { GODWIT_JOIN_TOKEN: join }
    finish(await runRoom(io, 'agent/main', args, env))
  })
}

/** The flags that were given, as the room's own command line has them; `except` is one that goes another way. */
function flagsGiven(command: Command, except?: string): string[] {
  return command.options
    .filter((option) => option.attributeName() !== except)
    .flatMap((option) => {
      const value: unknown = command.getOptionValue(option.attributeName())
      const values = Array.isArray(value) ? value : [value]
      return values
        .filter((each) => each !== undefined)
        .flatMap((each) => [option.long as string, String(each)])
    })
}
