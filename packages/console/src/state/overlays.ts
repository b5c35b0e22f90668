/** What lies above the page: at most one dialog. */
import { signal } from '@preact/signals'

export interface Confirmation {
  readonly kind: 'confirm'
  readonly title: string
  readonly text: readonly string[]
  readonly action: string
  readonly isLoss?: boolean
  /** A choice beside: its label. `run` is told whether it was taken. */
  readonly choice?: string
  run(isChosen: boolean): void
}

export type Overlay =
  | Confirmation
  | { readonly kind: 'migrate'; readonly jobs: readonly string[]; readonly to?: string }
  | { readonly kind: 'run'; readonly host?: string; readonly like?: string }
  | { readonly kind: 'rules'; readonly job: string }
  | { readonly kind: 'enterMaintenance'; readonly host: string }
  | { readonly kind: 'keys' }

export const overlay = signal<Overlay>()

export function closeOverlay(): void {
  overlay.value = undefined
}

export function openMigrate(jobs: readonly string[], to?: string): void {
  if (jobs.length === 0) return
  overlay.value = { kind: 'migrate', jobs, ...(to !== undefined && { to }) }
}

/** `host`: where; `like`: a job that is to be run again. */
export function openRun(about: { readonly host?: string; readonly like?: string } = {}): void {
  overlay.value = { kind: 'run', ...about }
}
