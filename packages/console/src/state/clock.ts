/** The time of day, once a second while somebody looks: what shows ages and sorted lists goes by it, rather than by each change. */
import { signal } from '@preact/signals'

export const nowMs = signal(Date.now())

setInterval(() => {
  if (!document.hidden) nowMs.value = Date.now()
}, 1000)
