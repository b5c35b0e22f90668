/** All tasks and events that are known. */
import { EventList } from '../shell/event-list.tsx'
import { tasks } from '../shell/foot.tsx'
import { TaskList } from '../shell/task-list.tsx'
import { events } from '../state/store.ts'
import { Section } from '../ui/section.tsx'

export function TasksPage() {
  return (
    <div class="page">
      <header class="page-head">
        <h1>Tasks and events</h1>
      </header>
      <Section title="Tasks">
        <TaskList tasks={tasks.value} />
      </Section>
      <Section title="Events">
        <EventList events={events.value} />
      </Section>
    </div>
  )
}
