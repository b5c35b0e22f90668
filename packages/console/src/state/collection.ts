/**
 * Views of one kind by id, as signals: what draws one of them is drawn again when that one changes, and nothing else is.
 *
 * A thousand jobs say each second how far they are, and a tree of them changes when one comes, goes or moves. So there are two bells: `shape`
 * rings when anything changed from which lists and trees are made, `beat` with every change.
 */
import { type Signal, signal } from '@preact/signals'

export class Collection<View> {
  readonly shape = signal(0)
  readonly beat = signal(0)
  readonly #entries = new Map<string, { readonly view: Signal<View>; shape: string }>()
  readonly #shapeOf: (view: View) => string

  /** `shapeOf`: all of a view from which lists and trees are made, as text. */
  constructor(shapeOf: (view: View) => string) {
    this.#shapeOf = shapeOf
  }

  get size(): number {
    this.shape.value
    return this.#entries.size
  }

  /** The reader is told when this one changes, comes or goes. */
  get(id: string): View | undefined {
    this.shape.value
    return this.#entries.get(id)?.view.value
  }

  peek(id: string): View | undefined {
    return this.#entries.get(id)?.view.peek()
  }

  /** As they are; the reader is told when the shape changes. */
  all(): View[] {
    this.shape.value
    return this.peekAll()
  }

  peekAll(): View[] {
    return [...this.#entries.values()].map(({ view }) => view.peek())
  }

  set(id: string, view: View): void {
    const shape = this.#shapeOf(view)
    const entry = this.#entries.get(id)
    if (entry === undefined) this.#entries.set(id, { view: signal(view), shape })
    else {
      entry.view.value = view
      if (entry.shape === shape) {
        this.beat.value++
        return
      }
      entry.shape = shape
    }
    this.#ring()
  }

  delete(id: string): void {
    if (this.#entries.delete(id)) this.#ring()
  }

  clear(): void {
    this.#entries.clear()
    this.#ring()
  }

  #ring(): void {
    this.shape.value++
    this.beat.value++
  }
}
