/**
 * A long list of which what is in sight alone is drawn: a thousand rows cost as much as forty. Rows are all of one height.
 */
import type { ComponentChildren, HTMLAttributes } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

/** Rows beyond the edges: what a quick flick shows before the next frame. */
const BEYOND = 8

interface VirtualProps<Item> {
  readonly items: readonly Item[]
  readonly rowHeight: number
  readonly row: (item: Item, index: number) => ComponentChildren
  /** The index that has to be in sight; one scrolls there when what it is about, `shownKey`, is another. */
  readonly shown: number
  readonly shownKey: string | undefined
  /** Of the element that scrolls: role, name, keys. */
  readonly attributes: HTMLAttributes<HTMLDivElement>
}

export function Virtual<Item>({ items, rowHeight, row, shown, shownKey, attributes }: VirtualProps<Item>) {
  const element = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 600 })
  useEffect(() => {
    const { current } = element
    if (current === null) return
    const look = (): void => setView({ top: current.scrollTop, height: current.clientHeight })
    const observer = new ResizeObserver(look)
    observer.observe(current)
    current.addEventListener('scroll', look, { passive: true })
    return () => {
      observer.disconnect()
      current.removeEventListener('scroll', look)
    }
  }, [])
  useEffect(() => {
    const { current } = element
    if (current === null || shown < 0) return
    const top = shown * rowHeight
    if (top < current.scrollTop) current.scrollTop = top
    else if (top + rowHeight > current.scrollTop + current.clientHeight)
      current.scrollTop = top + rowHeight - current.clientHeight
    // Rows that come and go above are no reason to scroll.
  }, [shownKey, shown < 0])
  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND)
  const last = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + BEYOND)
  return (
    <div ref={element} {...attributes}>
      <div role="presentation" style={{ height: `${first * rowHeight}px` }} />
      {items.slice(first, last).map((item, index) => row(item, first + index))}
      <div role="presentation" style={{ height: `${(items.length - last) * rowHeight}px` }} />
    </div>
  )
}
