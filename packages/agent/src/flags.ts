/**
 * The agent's command line. Every flag has a default that works on one machine, and what is wrong with one is said
 * with its name and how to write it.
 */
import { readFileSync } from 'node:fs'
import { freemem, hostname, tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { entryFile } from '@godwit/launch'
import { faultDomain, GodwitError, type Labels, LIMITS, parseBandwidth, parseBytes } from '@godwit/protocol'
import type { AgentOptions } from './agent.ts'
import { defaultDataDir } from './data-dir.ts'

export const USAGE = `Usage: agent [flags]
  --coordinator URL       where the coordinator listens (ws://127.0.0.1:7070); wss:// where the cluster is secured
  --join TOKEN            becomes a member of a secured cluster, once; better in GODWIT_JOIN_TOKEN, or in a file that GODWIT_JOIN_TOKEN_FILE names, where no command line shows it
  --insecure              goes in the clear where others could listen
  --name NAME             this host's name (its hostname)
  --address ADDRESS       where other hosts reach this one (127.0.0.1)
  --fault-domain DOMAIN   what fails together with this host: a zone, or zone/rack like east/rack-1 (default)
  --label KEY=VALUE       what jobs may require of a host; may be given several times
  --data-dir DIR          folder for sockets and logs of workers (a folder named after the host in the temporary one)
  --programs DIR          folder of programs that may be run, besides those of Godwit; may be given several times
  --bundles POLICY        accept or refuse programs that are brought here with their data (accept; refuse where the connection leaves this machine in the clear)
  --bundle-space BYTES    for bundles that are kept, e.g. 16GiB (16GiB)
  --memory BYTES          paged memory for workers, e.g. 8GiB (80% of what is free)
  --max-jobs N            takes no more jobs than these (no limit)
  --max-bandwidth RATE    for all migrations that leave this host: bytes a second, or like 1gbit, 100MiB (no limit)
  --listen-host HOST      where workers listen for migrations (the address)
  --port-range A-B        ports on which they listen (0-0: any free one)
  --orphan-timeout-ms MS  a worker without an agent ends after so long (${LIMITS.orphanTimeoutMs})
  --log-level LEVEL       trace, debug, info, warn, error, fatal or silent (info)`

const LABEL = /^[A-Za-z0-9][A-Za-z0-9._-]*$/
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']
const MEMORY_SHARE = 0.8

export interface Flags extends AgentOptions {
  logLevel: string
}

/** Reads the flags, and from the environment what should stand on no command line; undefined when help was asked for. Throws `bad-arguments`. */
export function parseFlags(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Flags | undefined {
  const values = readFlags(args)
  if (values.help === true) return undefined
  const name = values.name ?? hostname().replace(/[^A-Za-z0-9._-]/g, '-')
  const address = values.address ?? '127.0.0.1'
  const logLevel = values['log-level'] ?? 'info'
  if (!LEVELS.includes(logLevel)) bad('--log-level', logLevel, `one of ${LEVELS.join(', ')}`)
  checkLabel('--name', name)
  const domain = checkDomain(values['fault-domain'] ?? 'default')
  const joinToken = values.join ?? joinTokenIn(env)
  return {
    coordinatorUrl: values.coordinator ?? 'ws://127.0.0.1:7070',
    name,
    address,
    faultDomain: domain,
    ...(values.label !== undefined && { labels: labelsOf(values.label) }),
    ...(values['max-jobs'] !== undefined && { maxJobs: wholeNumber('--max-jobs', values['max-jobs']) }),
    dataDir: values['data-dir'] ?? defaultDataDir(tmpdir(), name),
    programFolders: (values.programs ?? []).map((folder) => resolve(folder)),
    workerMain: values['worker-main'] ?? entryFile('worker/main'),
    ...(values.bundles !== undefined && { bundles: policy(values.bundles) }),
    ...(values['bundle-space'] !== undefined && {
      bundleSpaceBytes: parseBytes('--bundle-space', values['bundle-space']),
    }),
    memoryBytes: values.memory === undefined ? defaultMemoryBytes() : parseBytes('--memory', values.memory),
    orphanTimeoutMs: positive('--orphan-timeout-ms', values['orphan-timeout-ms'], LIMITS.orphanTimeoutMs),
    ...(values['max-bandwidth'] !== undefined && { maxBandwidth: bandwidth(values['max-bandwidth']) }),
    listenHost: values['listen-host'] ?? address,
    insecure: values.insecure ?? false,
    ...(joinToken !== undefined && { joinToken }),
    portRange: parsePortRange(values['port-range'] ?? '0-0'),
    logLevel,
  }
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        coordinator: { type: 'string' },
        join: { type: 'string' },
        insecure: { type: 'boolean' },
        name: { type: 'string' },
        address: { type: 'string' },
        'fault-domain': { type: 'string' },
        label: { type: 'string', multiple: true },
        'max-jobs': { type: 'string' },
        'data-dir': { type: 'string' },
        programs: { type: 'string', multiple: true },
        bundles: { type: 'string' },
        'bundle-space': { type: 'string' },
        memory: { type: 'string' },
        'max-bandwidth': { type: 'string' },
        'listen-host': { type: 'string' },
        'port-range': { type: 'string' },
        'orphan-timeout-ms': { type: 'string' },
        'log-level': { type: 'string' },
        /** Another worker than the real one, for tests. */
        'worker-main': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new GodwitError('bad-arguments', `${(error as Error).message} (--help lists the flags)`)
  }
}

/** Empty is how a service's file says none. Throws `bad-arguments` for a file that can't be read. */
function joinTokenIn({
  GODWIT_JOIN_TOKEN: token,
  GODWIT_JOIN_TOKEN_FILE: file,
}: Record<string, string | undefined>): string | undefined {
  if (token || !file) return token || undefined
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch (error) {
    throw new GodwitError('bad-arguments', `GODWIT_JOIN_TOKEN_FILE: ${(error as Error).message}`)
  }
}

/** `A-B`, both inclusive, or `0-0` for any free port. Throws `bad-arguments`. */
export function parsePortRange(text: string): [number, number] {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text)
  const first = Number(match?.[1])
  const last = Number(match?.[2])
  if (match === null || first > last || last > 65535 || (first === 0 && last !== 0)) {
    bad('--port-range', text, 'a range like 7100-7199')
  }
  return [first, last]
}

function bandwidth(text: string): number {
  try {
    return parseBandwidth(text)
  } catch (error) {
    throw new GodwitError('bad-arguments', `--max-bandwidth ${text}: ${(error as Error).message}`)
  }
}

function positive(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) bad(flag, text, 'a positive number of milliseconds')
  return value
}

function checkLabel(flag: string, text: string): string {
  if (!LABEL.test(text) || text.length > LIMITS.maxNameLength) {
    bad(flag, text, 'letters, digits, dot, dash and underscore, beginning with a letter or digit')
  }
  return text
}

function checkDomain(text: string): string {
  if (!faultDomain.safeParse(text).success)
    bad('--fault-domain', text, 'a zone like east, or a zone and a rack like east/rack-1')
  return text
}

function labelsOf(texts: readonly string[]): Labels {
  const pairs = texts.map((text): [string, string] => {
    const [key = '', value = '', ...more] = text.split('=')
    if (!LABEL.test(key) || !LABEL.test(value) || more.length > 0)
      bad('--label', text, 'key=value, like disk=fast')
    return [key, value]
  })
  const all = Object.fromEntries(pairs)
  const twice = pairs.find(([key, value]) => all[key] !== value)
  if (twice !== undefined) bad('--label', twice.join('='), `one value for ${twice[0]}`)
  if (pairs.length > LIMITS.maxLabels)
    bad('--label', texts.at(-1) ?? '', `at most ${LIMITS.maxLabels} labels`)
  return all
}

function policy(text: string): 'accept' | 'refuse' {
  if (text === 'accept' || text === 'refuse') return text
  return bad('--bundles', text, 'accept or refuse')
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    bad(flag, text, 'a whole number of at least 1')
  return value
}

function defaultMemoryBytes(): number {
  return Math.floor(MEMORY_SHARE * (process.availableMemory?.() ?? freemem()))
}

function bad(flag: string, text: string, how: string): never {
  throw new GodwitError('bad-arguments', `${flag} ${text}: write ${how}`)
}
