/**
 * Tokens that `godwit login` keeps, by the coordinator's address: in one file, for its owner alone (0600, in a folder of 0700), replaced
 * whole, so that it is never half there.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { GodwitError } from '@godwit/protocol'

/** Bits of a file's mode that let others in. */
const OTHERS = 0o077

export function tokensFile(): string {
  const { XDG_CONFIG_HOME: config } = process.env
  return join(
    config === undefined || config === '' ? join(homedir(), '.config') : config,
    'godwit',
    'tokens.json',
  )
}

/** Errors: `forbidden` for a file that others may read, `bad-arguments` for one that is none of ours. */
export function keptToken(coordinator: string): string | undefined {
  return readTokens()[addressOf(coordinator)]
}

export function keepToken(coordinator: string, token: string): void {
  writeTokens({ ...readTokens(), [addressOf(coordinator)]: token })
}

/** What was kept. */
export function forgetToken(coordinator: string): string | undefined {
  const { [addressOf(coordinator)]: token, ...others } = readTokens()
  if (token !== undefined) writeTokens(others)
  return token
}

function addressOf(coordinator: string): string {
  return coordinator.replace(/\/+$/, '')
}

function readTokens(): Record<string, string> {
  const file = tokensFile()
  let text: string
  try {
    if ((statSync(file).mode & OTHERS) !== 0)
      throw new GodwitError(
        'forbidden',
        `others may read ${file}: chmod 600 ${file}, and revoke what is in it`,
      )
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
  try {
    const tokens: unknown = JSON.parse(text)
    const isOurs =
      typeof tokens === 'object' &&
      tokens !== null &&
      Object.values(tokens).every((each) => typeof each === 'string')
    if (isOurs) return tokens as Record<string, string>
  } catch {}
  throw new GodwitError('bad-arguments', `${file} holds no tokens: delete it and log in again`)
}

function writeTokens(tokens: Record<string, string>): void {
  const file = tokensFile()
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(tokens, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(next, file)
}
