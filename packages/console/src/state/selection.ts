/** Jobs that are picked together, to move them at once. */
import { signal } from '@preact/signals'

export const picked = signal<ReadonlySet<string>>(new Set())

export function pickToggle(id: string): void {
  const next = new Set(picked.peek())
  if (!next.delete(id)) next.add(id)
  picked.value = next
}

export function pickOnly(ids: readonly string[]): void {
  if (ids.length === 0 && picked.peek().size === 0) return
  picked.value = new Set(ids)
}
