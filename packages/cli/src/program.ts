/**
 * The command line: its commands, their options and their texts; those that start the services are in program-services.ts, those about who
 * may come in in program-access.ts. What a command does is in commands/ and demo/; a reference of all this is printed by `--help`.
 */
import { createRequire } from 'node:module'
import { LIMITS } from '@godwit/protocol'
import { Command, Option } from 'commander'
import { checkpoint } from './commands/checkpoint.ts'
import { describe } from './commands/describe.ts'
import { cancel, remove, stop } from './commands/end.ts'
import { type EstimateOptions, estimate } from './commands/estimate.ts'
import { type FollowOptions, follow } from './commands/follow.ts'
import { hold, pause, resume, switchover } from './commands/hold.ts'
import { history, hosts, ps, type WatchOptions } from './commands/inventory.ts'
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
import type { Io } from './io.ts'
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
import { addAccess } from './program-access.ts'
import { addServices } from './program-services.ts'
import { type GlobalOptions, type Session, withSession } from './session.ts'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }
const DEFAULT_COORDINATOR = 'ws://127.0.0.1:7070'
const DEFAULT_STEPS = 1000

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

  /** A command that is given a workload and nothing else. */
  const onWorkload = (
    name: string,
    description: string,
    command: (session: Session, workload: string) => Promise<number>,
  ): Command =>
    program
      .command(name)
      .description(description)
      .argument('<workload>')
      .action((workload: string) => talk((session) => command(session, workload)))

  addServices(program, { io, globals, finish })

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

  onWorkload('history', 'list the moves of a workload', history)

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

  onWorkload(
    'checkpoint',
    'write a checkpoint of a workload now, from which it is restarted when its worker is lost',
    checkpoint,
  )

  onWorkload('cancel', "cancel a workload's migration; it goes on where it is", cancel)

  onWorkload(
    'hold',
    "keep a workload's migration before its switchover; it goes on sending what changes",
    hold,
  )
  onWorkload(
    'pause',
    "have a workload's migration send nothing for a while, an hour at most; what it has sent it keeps, and the job trains on at full speed",
    pause,
  )
  onWorkload('resume', 'let a migration go on that is paused, with what has changed since', resume)
  onWorkload('switchover', 'let a migration go that is held', switchover).addHelpText(
    'after',
    '\nExample: godwit migrate digits --to b --hold, and later godwit switchover digits',
  )

  onWorkload('stop', 'end a workload', stop)

  onWorkload('rm', 'forget a workload that is over, with its outputs and checkpoints', remove)

  addAccess(program, { io, globals, finish, talk })

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
