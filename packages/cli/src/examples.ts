/** An example of each command, shown by its help and in the reference: what one would type first. */
import type { Command } from 'commander'

export const EXAMPLES: Readonly<Record<string, string>> = {
  coordinator: 'godwit coordinator --data-dir ./coordinator',
  'coordinator init': 'godwit coordinator init --data-dir ./coordinator --address coordinator.example',
  'coordinator admin-token': 'godwit coordinator admin-token --data-dir ./coordinator',
  'coordinator check-audit': 'godwit coordinator check-audit --data-dir ./coordinator',
  agent: 'godwit agent --name a --fault-domain east/rack-1 --data-dir ./a',
  hosts: 'godwit hosts --watch',
  run: 'godwit run mnist-mlp --id digits --steps 5000 --checkpoint-every 30s',
  ps: 'godwit ps --json | jq -r ".workloads[].id"',
  top: 'godwit top',
  describe: 'godwit describe digits',
  tasks: 'godwit tasks --watch',
  events: 'godwit events --follow',
  history: 'godwit history digits',
  logs: 'godwit logs digits --tail 20 --follow',
  follow: 'godwit follow digits --from-step 0',
  rules: 'godwit rules digits --require disk=fast --apart-from words',
  migrate: 'godwit migrate digits --to b',
  hold: 'godwit hold digits',
  pause: 'godwit pause digits',
  resume: 'godwit resume digits',
  switchover: 'godwit switchover digits',
  estimate: 'godwit estimate digits --to b',
  'maintenance enter': 'godwit maintenance enter a',
  'maintenance exit': 'godwit maintenance exit a --return',
  'maintenance status': 'godwit maintenance status a',
  checkpoint: 'godwit checkpoint digits',
  cancel: 'godwit cancel digits',
  stop: 'godwit stop digits',
  rm: 'godwit rm digits',
  login: 'godwit login --coordinator wss://coordinator.example:7070 < token',
  logout: 'godwit logout --coordinator wss://coordinator.example:7070',
  'token create': 'godwit token create --role operator --name alice --expires 30d',
  'token list': 'godwit token list',
  'token revoke': 'godwit token revoke k7f3q9',
  'host remove': 'godwit host remove b',
  audit: 'godwit audit digits --limit 20',
  demo: 'godwit demo --program char-transformer',
}

export interface NamedCommand {
  /** E.g. `token create`. */
  readonly name: string
  readonly command: Command
}

/** All commands below `program`, those with commands of their own before these. */
export function commandsOf(program: Command, prefix = ''): NamedCommand[] {
  return program.commands
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => {
      const name = `${prefix}${command.name()}`
      return [{ name, command }, ...commandsOf(command, `${name} `)]
    })
}

export function addExamples(program: Command): void {
  for (const { name, command } of commandsOf(program)) {
    const example = EXAMPLES[name]
    if (example !== undefined) command.addHelpText('after', `\nExample: ${example}`)
  }
}
