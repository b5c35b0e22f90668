/** What came of what a person asked for, said at the edge of the page and to screen readers; a refusal stays until it is put away. */
import { signal } from '@preact/signals'
import { refusalOf } from '../api/ask.ts'
import { sentence } from '../state/sentence.ts'

interface Notice {
  readonly id: number
  readonly tone: 'ok' | 'bad'
  readonly title: string
  readonly text: string | undefined
}

const OK_MS = 6000
const MAX_NOTICES = 4

const notices = signal<readonly Notice[]>([])
let nextId = 1

export function say(title: string): void {
  const id = add({ tone: 'ok', title, text: undefined })
  setTimeout(() => remove(id), OK_MS)
}

/** `title`: what was not done. */
export function sayRefusal(title: string, error: unknown): void {
  add({ tone: 'bad', title, text: sentence(refusalOf(error).message) })
}

function add(notice: Omit<Notice, 'id'>): number {
  const id = nextId++
  notices.value = [...notices.value, { ...notice, id }].slice(-MAX_NOTICES)
  return id
}

function remove(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id)
}

export function Notices() {
  return (
    <div class="notices" role="status">
      {notices.value.map(({ id, tone, title, text }) => (
        <div key={id} class={`notice ${tone}`}>
          <div>
            <strong>{title}</strong>
            {text !== undefined && <p>{text}</p>}
          </div>
          <button type="button" class="icon" aria-label="Put away" onClick={() => remove(id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  )
}
