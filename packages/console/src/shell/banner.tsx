/** Says when what is shown is old, and since when. */
import { connect, connection } from '../api/connection.ts'
import { When } from '../ui/when.tsx'

export function Banner() {
  const state = connection.value
  const isLost = state.phase === 'lost'
  return (
    <div class="banner-place" role="status">
      {isLost && (
        <div class="banner">
          <p>
            <strong>The connection to the coordinator is lost.</strong> What is shown is as of{' '}
            <When atMs={state.sinceMs} />; jobs go on without it. Trying again…
          </p>
          <button type="button" onClick={connect}>
            Try now
          </button>
        </div>
      )}
    </div>
  )
}
