/** The commands about who may come in, and who did what: tokens, members, the audit log. */
import { LIMITS, ROLES } from '@godwit/protocol'
import { type Command, Option } from 'commander'
import {
  type AuditOptions,
  audit,
  type CreateTokenOptions,
  createToken,
  listTokens,
  removeHost,
  revokeToken,
} from './commands/access.ts'
import { login, logout } from './commands/login.ts'
import { pipedInput } from './io.ts'
import { duration, wholeNumber } from './options.ts'
import type { CommandLine } from './program-services.ts'
import type { Session } from './session.ts'

export interface TalkingLine extends CommandLine {
  /** With the coordinator. */
  talk(body: (session: Session) => Promise<number>): Promise<void>
}

export function addAccess(program: Command, { io, globals, finish, talk }: TalkingLine): void {
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
}
