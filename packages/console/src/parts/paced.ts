/** A signal that changes often, followed no more often than a person sees. */
import type { ReadonlySignal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'

/** The latest value, at most once each `everyMs`; the last one always. */
export function usePaced<Value>(followed: ReadonlySignal<Value>, everyMs: number): Value {
  const [value, setValue] = useState(followed.peek())
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let atMs = Number.NEGATIVE_INFINITY
    const tell = (): void => {
      timer = undefined
      atMs = performance.now()
      setValue(followed.peek())
    }
    const end = followed.subscribe(() => {
      timer ??= setTimeout(tell, Math.max(0, atMs + everyMs - performance.now()))
    })
    return () => {
      clearTimeout(timer)
      end()
    }
  }, [followed, everyMs])
  return value
}

/** The width of an element, as it changes; 0 until it is known. */
export function useWidth(element: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0)
  useEffect(() => {
    const { current } = element
    if (current === null) return
    const observer = new ResizeObserver(() => setWidth(current.clientWidth))
    observer.observe(current)
    setWidth(current.clientWidth)
    return () => observer.disconnect()
  }, [])
  return width
}
