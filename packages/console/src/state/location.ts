/** The place that the address names, as it changes by links, by the keyboard and by going back. */
import { effect, signal } from '@preact/signals'
import { type Place, pathOf, placeAt, titleOf } from './places.ts'

export const place = signal<Place>(placeAt(location.pathname))

export function go(to: Place): void {
  const path = pathOf(to)
  if (path !== location.pathname) history.pushState(null, '', path)
  place.value = to
}

addEventListener('popstate', () => {
  place.value = placeAt(location.pathname)
})

effect(() => {
  document.title = titleOf(place.value)
})
