/**
 * The command line: its commands, their options and their texts. What a command does is in commands/ and demo/; a
 * reference of all this is printed by `--help`.
 */
import { createRequire } from 'node:module'
import { LIMITS, ROLES } from '@godwit/protocol'
import { Command, Option } from 'commander'
import {
  type AuditOptions,
  audit,
  type CreateTokenOptions,
  createToken,
  listTokens,
  removeHost,
  revokeToken,
} from './commands/access.ts'
import { checkpoint } from './commands/checkpoint.ts'
import { describe } from './commands/describe.ts'
import { cancel, remove, stop } from './commands/end.ts'
import { type EstimateOptions, estimate } from './commands/estimate.ts'
import { type FollowOptions, follow } from './commands/follow.ts'
import { hold, pause, resume, switchover } from './commands/hold.ts'
import { history, hosts, ps, type WatchOptions } from './commands/inventory.ts'
import { login, logout } from './commands/login.ts'
import { type LogsOptions, logs } from './commands/logs.ts'
import {
  type EnterOptions,
  type ExitOptions,
  enterMaintenance,
  exitMaintenance,
  maintenanceStatus,
} from './commands/maintenance.ts'
import { type MigrateOptions, migrate } from './commands/migrate.ts'
import { preflight } from './commands/preflight.ts'
import { type RulesOptions, rules } from './commands/rules.ts'
import { check, type RunOptions, run } from './commands/run.ts'
import { type EventsOptions, events, tasks, top } from './commands/watching.ts'
import { type DemoOptions, demo } from './demo/demo.ts'
import { addExamples } from './examples.ts'
import { type Io, pipedInput } from './io.ts'
import { addMigrationOptions } from './migration-options.ts'
import {
  collect,
  collectLabel,
  collectParameter,
  duration,
  positiveMs,
  programArgument,
  wholeNumber,
} from './options.ts'
import { runRoom } from './rooms.ts'
import { type GlobalOptions, type Session, withSession } from './session.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
const DEFAULT_COORDINATOR = 'ws://127.0.0.1:7070'
const DEFAULT_STEPS = 1000

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

/** The program; `finish` is given the exit code of the command that ran. */
export function buildProgram(io: Io, finish: (exitCode: number) => void): Command {
  const program = new Command('godwit')
    .description(
      'Live migration for Node.js training jobs: moves a running job to another host without losing a step.',
    )
    .addOption(
      new Option('--coordinator <url>', 'where the coordinator listens')
        .env('GODWIT_COORDINATOR')
        .default(DEFAULT_COORDINATOR),
    )
    .option('--token-file <file>', 'a file with an API token, for a secured cluster (default: GODWIT_TOKEN)')
    .option('--insecure', 'go in the clear where others could listen', false)
    .option('--json', 'print JSON: one object, or one a line for what goes on', false)
    .version(version)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how)')
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    })

  const globals = () => program.opts<GlobalOptions>()
  const talk = async (body: (session: Session) => Promise<number>) =>
    finish(await withSession(io, globals(), body))

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

  program
    .command('hosts')
    .description('list hosts')
    .option('--watch', 'show it again every two seconds, until Ctrl-C')
    .action((options: WatchOptions) => talk((session) => hosts(session, options)))

  program
    .command('run')
    .description('start a workload')
    .argument(
      '<program>',
      'a name that the host knows, or a file beginning with . or /, which is brought to it',
    )
    .option(
      '--data <[name=]path>',
      'a file or folder that comes along with the program, besides what its setup reads; may be given several times',
      collect,
    )
    .option('--bundle', 'bring the file along, with the data that it reads: so it is unless said otherwise')
    .option('--no-bundle', 'the file lies on each host, in a folder of its --programs')
    .option('--host <host>', 'where (default: the best one, by free memory above all)')
    .option('--steps <n>', 'how many steps the job has', wholeNumber(1), DEFAULT_STEPS)
    .option('--param <key=value>', 'a parameter of the program; may be given several times', collectParameter)
    .option('--id <id>', "the workload's name (default: made from the program's)")
    .addOption(trackerOption())
    .addOption(
      new Option('--restart-policy <policy>', 'what happens when its worker is lost')
        .choices(['on-failure', 'never'])
        .default('on-failure'),
    )
    .option(
      '--checkpoint-every <time>',
      'write a checkpoint so often, e.g. 30s (default: only when asked to)',
      duration(LIMITS.minCheckpointEveryMs),
    )
    .option(
      '--require <key=value>',
      'a label that its host must have; may be given several times',
      collectLabel,
    )
    .option('--with <job>', 'on the same host as this job; may be given several times', collect)
    .option('--apart-from <job>', 'on another host than this job; may be given several times', collect)
    .option('--explain', 'say why each host was taken or not')
    .option('--follow', 'show its steps until it ends')
    .option('--check', 'run the program here, without a coordinator, and say what would betray a move')
    .action(async (program: string, options: RunOptions) => {
      const file = programArgument(program)
      if (options.check === true)
        finish(await check(io, { program: file, parameters: options.param, json: globals().json }))
      else await talk((session) => run(session, file, options))
    })

  program
    .command('ps')
    .description('list workloads, or say all about one')
    .argument('[workload]')
    .option('--watch', 'show it again every two seconds, until Ctrl-C')
    .action((workload: string | undefined, options: WatchOptions) =>
      talk((session) => ps(session, workload, options)),
    )

  program
    .command('top')
    .description(
      'what runs where, and moves, drawn again as it changes until Ctrl-C; without a terminal once',
    )
    .action(() => talk(top))

  program
    .command('describe')
    .description(
      'say all that is known of a job, a host or a move: what it is, its moves, what has happened to it',
    )
    .argument('<name>')
    .action((name: string) => talk((session) => describe(session, name)))

  program
    .command('tasks')
    .description('list what is under way: moves and maintenances')
    .option('--watch', 'show it again every two seconds, until Ctrl-C')
    .action((options: WatchOptions) => talk((session) => tasks(session, options)))

  program
    .command('events')
    .description('list what has happened to hosts, jobs and moves, as far as the coordinator remembers')
    .option('--limit <n>', 'the latest so many', wholeNumber(1, LIMITS.maxListed), 100)
    .option('--follow', 'and what happens from now on, until Ctrl-C')
    .action((options: EventsOptions) => talk((session) => events(session, options)))

  program
    .command('history')
    .description('list the moves of a workload')
    .argument('<workload>')
    .action((workload: string) => talk((session) => history(session, workload)))

  program
    .command('follow')
    .description("show a workload's steps")
    .argument('<workload>')
    .option('--from-step <n>', 'from this step on (default: from now)', wholeNumber(0))
    .action((workload: string, options: FollowOptions) =>
      talk((session) => follow(session, workload, options)),
    )

  program
    .command('logs')
    .description('show what the program of a job prints, wherever it ran; the latest half MiB of it is kept')
    .argument('<workload>')
    .option('--tail <n>', 'the latest so many lines (default: all that are kept)', wholeNumber(0))
    .option('--follow', 'and what it prints from now on, until the job is over')
    .action((workload: string, options: LogsOptions) => talk((session) => logs(session, workload, options)))

  program
    .command('rules')
    .description(
      'list where a job may be, or change it while it runs; nothing is moved by it, and what its present host breaks is said',
    )
    .argument('<workload>')
    .option(
      '--require <key=value>',
      'a label that its host must have; may be given several times',
      collectLabel,
    )
    .option('--with <job>', 'on the same host as this job; may be given several times', collect)
    .option('--apart-from <job>', 'on another host than this job; may be given several times', collect)
    .option(
      '--remove <what>',
      "a label's key, or a job, of a rule that ends; may be given several times",
      collect,
    )
    .option('--clear', 'end all rules there are; what is given beside it holds')
    .action((workload: string, options: RulesOptions) => talk((session) => rules(session, workload, options)))

  const migrateCommand = program
    .command('migrate')
    .description('move a running workload to another host')
    .argument('<workload>')
    .option('--to <host>', 'where to (default: the best host, by free memory above all)')
    .option('--explain', 'say why each host was taken or not')
    .option(
      '--dry-run',
      'look at all that it would meet, and move nothing; the job is tried at the target (exit code 1: something is in its way)',
    )
  addMigrationOptions(migrateCommand).action(
    (workload: string, { dryRun, ...options }: MigrateOptions & { dryRun?: boolean }) =>
      talk((session) => (dryRun === true ? preflight : migrate)(session, workload, options)),
  )

  const estimateCommand = program
    .command('estimate')
    .description('say what a migration would cost, and move nothing (exit code 1: it would not converge)')
    .argument('<workload>')
    .requiredOption('--to <host>', 'where to')
  addMigrationOptions(estimateCommand).action((workload: string, options: EstimateOptions) =>
    talk((session) => estimate(session, workload, options)),
  )

  const maintenance = program
    .command('maintenance')
    .description('empty a host of its jobs and keep it empty, for as long as somebody works on it')
  maintenance
    .command('enter')
    .description(
      'move every job off a host, which takes no more until exit; moves nothing while one can go nowhere',
    )
    .argument('<host>')
    .option('--no-wait', 'return once it is written down')
    .option('--force', 'move those that can go, though others cannot')
    .action((host: string, options: EnterOptions) =>
      talk((session) => enterMaintenance(session, host, options)),
    )
  maintenance
    .command('exit')
    .description('let a host take jobs again')
    .argument('<host>')
    .option('--return', 'bring back the jobs that left because of it and still run elsewhere')
    .option('--no-wait', 'return once it is written down')
    .action((host: string, options: ExitOptions) =>
      talk((session) => exitMaintenance(session, host, options)),
    )
  maintenance
    .command('status')
    .description('say how far it is, job by job')
    .argument('<host>')
    .action((host: string) => talk((session) => maintenanceStatus(session, host)))

  program
    .command('checkpoint')
    .description('write a checkpoint of a workload now, from which it is restarted when its worker is lost')
    .argument('<workload>')
    .action((workload: string) => talk((session) => checkpoint(session, workload)))

  program
    .command('cancel')
    .description("cancel a workload's migration; it goes on where it is")
    .argument('<workload>')
    .action((workload: string) => talk((session) => cancel(session, workload)))

  program
    .command('hold')
    .description("keep a workload's migration before its switchover; it goes on sending what changes")
    .argument('<workload>')
    .action((workload: string) => talk((session) => hold(session, workload)))
  program
    .command('pause')
    .description(
      "have a workload's migration send nothing for a while, an hour at most; what it has sent it keeps, and the job trains on at full speed",
    )
    .argument('<workload>')
    .action((workload: string) => talk((session) => pause(session, workload)))
  program
    .command('resume')
    .description('let a migration go on that is paused, with what has changed since')
    .argument('<workload>')
    .action((workload: string) => talk((session) => resume(session, workload)))
  program
    .command('switchover')
    .description('let a migration go that is held')
    .argument('<workload>')
    .addHelpText(
      'after',
      '\nExample: godwit migrate digits --to b --hold, and later godwit switchover digits',
    )
    .action((workload: string) => talk((session) => switchover(session, workload)))

  program
    .command('stop')
    .description('end a workload')
    .argument('<workload>')
    .action((workload: string) => talk((session) => stop(session, workload)))

  program
    .command('rm')
    .description('forget a workload that is over, with its outputs and checkpoints')
    .argument('<workload>')
    .action((workload: string) => talk((session) => remove(session, workload)))

  program
    .command('login')
    .description(
      'keep a token for a coordinator, from --token-file, GODWIT_TOKEN or stdin, for all later commands',
    )
    .action(async () => finish(await login(io, globals(), pipedInput)))
  program
    .command('logout')
    .description('forget the token that is kept for a coordinator')
    .action(() => finish(logout(io, globals())))

  const token = program.command('token').description('tokens of a secured cluster')
  token
    .command('create')
    .description('make a token: for hosts to join, or with --role for somebody to ask')
    .addOption(new Option('--role <role>', 'what its bearer may do').choices(ROLES))
    .option('--name <name>', 'for whom or what it is')
    .option(
      '--expires <time>',
      `good for so long, e.g. 1h or 30d (default: ${LIMITS.defaultJoinTokenMs / 3_600_000}h to join, ${LIMITS.defaultApiTokenMs / 86_400_000}d with a role)`,
      duration(1000, LIMITS.maxTokenMs),
    )
    .action((options: CreateTokenOptions) => talk((session) => createToken(session, options)))
  token
    .command('list')
    .description('list tokens, without their secrets')
    .action(() => talk(listTokens))
  token
    .command('revoke')
    .description('end a token, and the connections that were opened with it')
    .argument('<id>')
    .action((id: string) => talk((session) => revokeToken(session, id)))

  program
    .command('host')
    .description('members of a secured cluster')
    .command('remove')
    .description('end the membership of a host: its certificates are refused from now on')
    .argument('<host>')
    .action((host: string) => talk((session) => removeHost(session, host)))

  program
    .command('audit')
    .description('who did what, to which workload')
    .argument('[workload]')
    .option('--limit <n>', 'the latest so many', wholeNumber(1, LIMITS.maxAuditEntries), 100)
    .action((workload: string | undefined, options: AuditOptions) =>
      talk((session) => audit(session, workload, options)),
    )

  program
    .command('demo')
    .description(
      'a coordinator and two hosts on this machine: train, migrate, and compare every bit with a run that never moved',
    )
    .option('--program <name>', 'what to train', 'mnist-mlp')
    .option('--steps <n>', 'how many steps (default: about 20 seconds of them)', wholeNumber(1))
    .option('--migrations <n>', 'there, back, there, ...', wholeNumber(0), 2)
    .option('--param <key=value>', 'a parameter of the program; may be given several times', collectParameter)
    .addOption(trackerOption())
    .option('--downtime-limit-ms <ms>', 'pause that is allowed', positiveMs)
    .action(async (options: DemoOptions) => {
      const file = programArgument(options.program)
      finish(await demo(io, { ...options, program: file, json: globals().json }))
    })

  addExamples(program)
  return program
}

function trackerOption(): Option {
  return new Option('--tracker <tracker>', 'how dirty pages are found')
    .choices(['auto', 'userfaultfd', 'compare'])
    .default('auto')
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
