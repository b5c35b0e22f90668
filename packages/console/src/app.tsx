/** The page: what is around every place, and the place. */
import { connection } from './api/connection.ts'
import { place } from './state/location.ts'
import { pathOf } from './state/places.ts'
import { hosts, jobs } from './state/store.ts'

export function App() {
  return (
    <main>
      <h1>Godwit</h1>
      <p role="status">
        {connection.value.phase} · {pathOf(place.value)}: {hosts.size} hosts, {jobs.size} jobs
      </p>
    </main>
  )
}
