/** A link to a place in the console: an address like any other, followed without loading the page again. */
import type { ComponentChildren } from 'preact'
import { go } from '../state/location.ts'
import { type Place, pathOf } from '../state/places.ts'

interface LinkProps {
  readonly to: Place
  readonly class?: string
  readonly children: ComponentChildren
}

export function Link({ to, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    // Those that open another tab or window are the browser's.
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(to)
  }
  return (
    <a href={pathOf(to)} onClick={follow} {...rest}>
      {children}
    </a>
  )
}

export function HostLink({ name }: { readonly name: string }) {
  return <Link to={{ page: 'host', host: name }}>{name}</Link>
}

export function JobLink({ id }: { readonly id: string }) {
  return <Link to={{ page: 'job', job: id }}>{id}</Link>
}
