/** The reference of the command line (docs/cli.md), made from the commands themselves. */
import type { Argument, Command, Option } from 'commander'
import { commandsOf, EXAMPLES } from './examples.ts'
import { Terminal } from './io.ts'
import { buildProgram } from './program.ts'

/** What a script may rely on. */
export const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'done'],
  [
    '1',
    'it could not be done, or did not come to a good end: the job failed, the move was cancelled, jobs stay on the host',
  ],
  ['2', 'the command line makes no sense'],
  ['129, 130, 143', 'ended by SIGHUP, SIGINT (Ctrl-C), SIGTERM; what runs in the cluster goes on'],
]

export function renderReference(): string {
  const nowhere = { write: () => {} }
  const io = new Terminal({ stdout: nowhere, stderr: nowhere }, new AbortController().signal)
  const program = buildProgram(io, () => {})
  const lines = [
    '# The command line',
    '',
    '(Made from the commands: `npx vitest run test/cli-reference.test.ts -u` writes it anew.)',
    '',
    `${program.description()}`,
    '',
    'Results go to stdout, all that accompanies them to stderr. With `--json` each command prints one object, or one a line for what goes on; an error is `{"error": {"kind", "message"}}`.',
    'On a terminal titles and statuses are coloured, unless `NO_COLOR` is set or `--json` is asked for; `FORCE_COLOR=1` colours elsewhere too, `FORCE_COLOR=0` nowhere. Lines are drawn over only on a terminal.',
    '',
    '| exit code | what it says |',
    '|---|---|',
    ...EXIT_CODES.map(([code, says]) => `| ${code} | ${says} |`),
    '',
    '## Options of every command',
    '',
    ...optionsTable(program.options),
    ...commandsOf(program).flatMap(({ name, command }) => renderCommand(name, command)),
  ]
  return `${lines.join('\n').trimEnd()}\n`
}

function renderCommand(name: string, command: Command): string[] {
  const example = EXAMPLES[name]
  const args = command.registeredArguments.map((argument) => argumentText(argument))
  return [
    `## godwit ${[name, ...args].join(' ')}`,
    '',
    `${sentence(command.description())}`,
    '',
    ...(example === undefined ? [] : ['```sh', example, '```', '']),
    ...described(command.registeredArguments),
    ...optionsTable(command.options),
  ]
}

function argumentText(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
}

function described(all: readonly Argument[]): string[] {
  const lines = all
    .filter(({ description }) => description !== '')
    .map((argument) => `\`${argument.name()}\`: ${argument.description}`)
  return lines.length === 0 ? [] : [...lines, '']
}

function optionsTable(options: readonly Option[]): string[] {
  if (options.length === 0) return []
  const rows = options.map((option) => `| \`${option.flags}\` | ${cell(textOf(option))} |`)
  return ['| option | what it does |', '|---|---|', ...rows, '']
}

function textOf({ description, argChoices, defaultValue, envVar }: Option): string {
  const more = [
    ...(argChoices === undefined ? [] : [`one of ${argChoices.join(', ')}`]),
    ...(defaultValue === undefined || typeof defaultValue === 'boolean' ? [] : [`default: ${defaultValue}`]),
    ...(envVar === undefined ? [] : [`or ${envVar}`]),
  ]
  return more.length === 0 ? description : `${description} (${more.join('; ')})`
}

/** In a table a bar ends a cell, and what looks like a tag disappears. */
function cell(text: string): string {
  return text.replace(/\|/g, '\\|').replace(/</g, '&lt;')
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
