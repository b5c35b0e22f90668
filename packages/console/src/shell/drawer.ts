/** Where there is no room for the inventory beside the page it lies above it, and is opened by a button. */
import { effect, signal } from '@preact/signals'
import { place } from '../state/location.ts'

export const isDrawerOpen = signal(false)

/** Who went somewhere wants to see it. */
effect(() => {
  place.value
  isDrawerOpen.value = false
})
