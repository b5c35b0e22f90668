/**
 * What is done with a coordinator's folder while no coordinator runs on it: by whoever may read and write it, and so needs no token.
 *
 *     init          makes the cluster a secured one: its authority, a token for its first admin, and one for its first hosts
 *     admin-token   a new token for an admin, where the last one is lost or has expired
 *     check-audit   whether lines of the audit log are missing or were changed
 */
import { createReadStream, existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { bracketed } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { createAuthority, fingerprintOf, replaceFile } from '@godwit/trust'
import { LmdbStore } from './lmdb-store.ts'
import { clusterIdOf } from './recovery.ts'
import { AUDIT_FILE, AuditLog, verifyChain } from './security/audit-log.ts'
import { AUTHORITY_FILE, isLifetime, readAuthority, writeAuthority } from './security/authority-file.ts'
import { Tokens } from './security/tokens.ts'

export const COMMANDS = ['init', 'admin-token', 'check-audit']

const ADMIN_TOKEN_FILE = 'admin-token'
const DEFAULT_PORT = 7070
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([\w-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([\w-]*[A-Za-z0-9])?)*$/

type Print = (line: string) => void

/** Carries out `args` when they begin with a command; false when they do not. Errors: `bad-arguments`, `folder-in-use`, those of the store. */
export async function administer(args: readonly string[], print: Print): Promise<boolean> {
  const [command, ...rest] = args
  if (command === 'init') await init(rest, print)
  else if (command === 'admin-token') await renewAdminToken(rest, print)
  else if (command === 'check-audit') await checkAudit(rest, print)
  else return false
  return true
}

async function init(args: string[], print: Print): Promise<void> {
  const { folder, addresses, lifetime } = parsed('init', args)
  const [first = { host: hostname(), port: DEFAULT_PORT }] = addresses
  const path = join(folder, AUTHORITY_FILE)
  if (existsSync(path)) throw alreadyThere(path, folder)
  const store = await LmdbStore.open(folder)
  try {
    // Once more: somebody else may have held the folder.
    if (existsSync(path)) throw alreadyThere(path, folder)
    const clusterId = await clusterIdOf(store)
    const authority = await createAuthority(clusterId, Date.now())
    const fingerprint = fingerprintOf(authority.certificate)
    const tokens = await Tokens.open({ store, fingerprint, now: Date.now })
    const admin = await makeAdminToken(folder, tokens)
    const { token, view } = await tokens.make({ kind: 'join', name: 'first-hosts' })
    // Last: with it the cluster is secured, and whatever was cut off before is begun again.
    writeAuthority(folder, { ...authority, addresses: addresses.map(({ host }) => host), ...lifetime })
    await auditMade(folder, [admin.id, view.id])
    const at = `wss://${bracketed(first.host)}:${first.port}`
    for (const line of [
      `cluster ${clusterId} is secured. Its authority is in ${path}: whoever reads that file is the cluster.`,
      '',
      'Start its coordinator:',
      `    godwit coordinator --data-dir ${folder} --host 0.0.0.0${first.port === DEFAULT_PORT ? '' : ` --port ${first.port}`}`,
      `On each host, until ${new Date(view.expiresAtMs).toISOString()} (more tokens: godwit token create):`,
      `    GODWIT_JOIN_TOKEN=${token} godwit agent --coordinator ${at} --address ADDRESS`,
      `As its admin, until ${new Date(admin.expiresAtMs).toISOString()}:`,
      `    export GODWIT_COORDINATOR=${at} GODWIT_TOKEN=$(cat ${join(folder, ADMIN_TOKEN_FILE)})`,
    ])
      print(line)
  } finally {
    await store.close()
  }
}

async function renewAdminToken(args: string[], print: Print): Promise<void> {
  const { folder } = parsed('admin-token', args)
  const authority = readAuthority(folder)
  if (authority === undefined) {
    throw new GodwitError(
      'insecure',
      `the cluster in ${folder} is not secured: godwit coordinator init --data-dir ${folder}`,
    )
  }
  const store = await LmdbStore.open(folder)
  try {
    const fingerprint = fingerprintOf(authority.certificate)
    const { id } = await makeAdminToken(folder, await Tokens.open({ store, fingerprint, now: Date.now }))
    await auditMade(folder, [id])
    print(`token ${id}: export GODWIT_TOKEN=$(cat ${join(folder, ADMIN_TOKEN_FILE)})`)
  } finally {
    await store.close()
  }
}

/** Into a file, for the folder's owner alone: what is printed ends in logs. */
async function makeAdminToken(folder: string, tokens: Tokens): Promise<{ id: string; expiresAtMs: number }> {
  const { token, view } = await tokens.make({ kind: 'api', role: 'admin', name: 'admin' })
  replaceFile(join(folder, ADMIN_TOKEN_FILE), `${token}\n`)
  return view
}

async function auditMade(folder: string, tokens: readonly string[]): Promise<void> {
  const audit = await AuditLog.open(folder)
  const made = { atMs: Date.now(), who: 'local', address: '', action: 'createToken', outcome: 'ok' }
  await Promise.all(tokens.map((subject) => audit.append({ ...made, subject })))
  await audit.close()
}

async function checkAudit(args: string[], print: Print): Promise<void> {
  const { folder } = parsed('check-audit', args)
  const path = join(folder, AUDIT_FILE)
  if (!existsSync(path)) throw new GodwitError('bad-arguments', `there is no ${path}`)
  const lines = createInterface({ input: createReadStream(path), crlfDelay: 0 })
  const { lines: count, torn, brokenAt } = await verifyChain(lines)
  if (brokenAt !== undefined) {
    throw new GodwitError(
      'store-unusable',
      `line ${brokenAt} of ${path} does not go on from the line before it: that one was changed, or lines between them are missing`,
    )
  }
  const cut = torn.length === 0 ? '' : `; cut off by a crash: line ${torn.join(', ')}`
  print(`${count} lines, each goes on from the one before it${cut}`)
}

interface Address {
  readonly host: string
  readonly port: number
}

interface Parsed {
  readonly folder: string
  readonly addresses: Address[]
  readonly lifetime: { readonly certificateMs?: number }
}

function parsed(command: string, args: string[]): Parsed {
  const usage = `usage: coordinator ${command} --data-dir FOLDER${command === 'init' ? ' [--address HOST[:PORT]]... [--certificate-lifetime 90d]' : ''}`
  let values: { 'data-dir'?: string; address?: string[]; 'certificate-lifetime'?: string }
  try {
    values = parseArgs({
      args,
      options: {
        'data-dir': { type: 'string' },
        address: { type: 'string', multiple: true },
        'certificate-lifetime': { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new GodwitError('bad-arguments', `${(error as Error).message.split('\n')[0]} (${usage})`)
  }
  const { 'data-dir': dataDir, address = [], 'certificate-lifetime': lifetime } = values
  if (dataDir === undefined) throw new GodwitError('bad-arguments', `--data-dir is missing (${usage})`)
  return {
    folder: resolve(dataDir),
    addresses: address.map(parseAddress),
    lifetime: lifetime === undefined ? {} : { certificateMs: parseLifetime(lifetime) },
  }
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90m`, `12h`, `30d`. Errors: `bad-arguments`. */
function parseLifetime(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const lifetimeMs = Number(count) * (UNIT_MS[unit] ?? Number.NaN)
  if (isLifetime(lifetimeMs)) return lifetimeMs
  throw new GodwitError(
    'bad-arguments',
    `--certificate-lifetime ${text}: give a time from 150s to ten years, like 12h or 30d`,
  )
}

/** `host`, `host:port`, `[::1]:port`, `::1`. Errors: `bad-arguments`. */
export function parseAddress(text: string): Address {
  const [, six, name, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = six ?? name ?? text
  const port = Number(digits ?? DEFAULT_PORT)
  if ((isIP(host) !== 0 || HOST_NAME.test(host)) && port > 0 && port < 65536) return { host, port }
  throw new GodwitError('bad-arguments', `--address ${text} is no HOST or HOST:PORT`)
}

function alreadyThere(path: string, folder: string): GodwitError {
  return new GodwitError(
    'bad-arguments',
    `${path} is there already: this cluster is secured. For a new admin token: godwit coordinator admin-token --data-dir ${folder}`,
  )
}
