/**
 * What a test needs of the machine. A test that lacks it says so and is skipped; with CI=true it fails instead, or
 * else nobody would notice that it no longer runs.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { proveUserfaultfd, type TrackerKind } from '@godwit/memory'

/** Undefined when the kernel can track writes for us. */
export function whyNoUserfaultfd(): string | undefined {
  return whyNot(proveUserfaultfd)
}

/** The trackers that this kernel offers. */
export function trackersHere(): readonly TrackerKind[] {
  return whyNoUserfaultfd() === undefined ? ['userfaultfd', 'compare'] : ['compare']
}

/** Undefined when this user may mount a small disk of its own; in a container root often may not. */
export function whyNoMount(): string | undefined {
  return whyNot(() => {
    const folder = mkdtempSync(join(tmpdir(), 'gwt-'))
    try {
      mountSmallDisk(folder)
      execFileSync('umount', [folder])
    } finally {
      rmdirSync(folder)
    }
  })
}

/** A disk in memory that is full after 256 KiB. */
export function mountSmallDisk(folder: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], { stdio: 'pipe' })
}

/** What a need throws, in a line; with CI=true it is thrown. */
export function whyNot(need: () => void): string | undefined {
  try {
    need()
    return undefined
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ')
  }
}
