/** Tasks and events at the foot, whatever page is above; foldable. */
import { computed, signal } from '@preact/signals'
import { events, hosts, moves } from '../state/store.ts'
import { tasksOf } from '../state/tasks.ts'
import { EventList } from './event-list.tsx'
import { TaskList } from './task-list.tsx'
import '../styles/foot.css'

const SHOWN = 60
/** Folded where there is little room. */
const isOpen = signal(matchMedia('(min-width: 800px) and (min-height: 600px)').matches)
const tab = signal<'tasks' | 'events'>('tasks')

export const tasks = computed(() => {
  moves.beat.value
  return tasksOf(moves.peekAll(), hosts.all())
})

export function Foot() {
  const all = tasks.value
  const underWay = all.filter(({ isOver }) => !isOver).length
  const failed = all.filter(({ tone }) => tone === 'bad').length
  return (
    <footer class={isOpen.value ? 'foot open' : 'foot'}>
      <div class="foot-head">
        <div role="tablist" aria-label="Tasks and events" onKeyDown={switchTab}>
          <Tab name="tasks">
            Tasks {underWay > 0 && <span class="badge move">{underWay}</span>}
            {failed > 0 && <span class="badge bad">{failed} failed</span>}
          </Tab>
          <Tab name="events">Events</Tab>
        </div>
        <button
          type="button"
          class="quiet"
          aria-expanded={isOpen.value}
          {...(isOpen.value && { 'aria-controls': 'foot-panel' })}
          onClick={() => {
            isOpen.value = !isOpen.value
          }}
        >
          {isOpen.value ? 'Fold' : 'Unfold'}
        </button>
      </div>
      {isOpen.value && (
        <div
          id="foot-panel"
          class="foot-panel"
          role="tabpanel"
          aria-labelledby={`tab-${tab.value}`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled by keys
          tabIndex={0}
        >
          {tab.value === 'tasks' ? (
            <TaskList tasks={all.slice(0, SHOWN)} />
          ) : (
            <EventList events={events.value.slice(0, SHOWN)} />
          )}
        </div>
      )}
    </footer>
  )
}

function Tab({ name, children }: { name: 'tasks' | 'events'; children: preact.ComponentChildren }) {
  const isChosen = tab.value === name
  return (
    <button
      type="button"
      role="tab"
      id={`tab-${name}`}
      aria-selected={isChosen}
      {...(isOpen.value && { 'aria-controls': 'foot-panel' })}
      tabIndex={isChosen ? 0 : -1}
      onClick={() => {
        tab.value = name
        isOpen.value = true
      }}
    >
      {children}
    </button>
  )
}

function switchTab(event: KeyboardEvent): void {
  if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return
  tab.value = tab.peek() === 'tasks' ? 'events' : 'tasks'
  document.getElementById(`tab-${tab.peek()}`)?.focus()
}
