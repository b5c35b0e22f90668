/** The page: what is around every place, and the place. */
import { useEffect, useRef } from 'preact/hooks'
import { connection } from './api/connection.ts'
import { ClusterPage } from './pages/cluster.tsx'
import { HostPage } from './pages/host.tsx'
import { JobPage } from './pages/job.tsx'
import { MovePage } from './pages/move.tsx'
import { TasksPage } from './pages/tasks.tsx'
import { Banner } from './shell/banner.tsx'
import { Foot } from './shell/foot.tsx'
import { Header } from './shell/header.tsx'
import { Inventory } from './shell/inventory.tsx'
import { Overlays } from './shell/overlays.tsx'
import { SignIn } from './shell/sign-in.tsx'
import { place } from './state/location.ts'
import { pathOf } from './state/places.ts'
import { isLoaded } from './state/store.ts'
import { Notices } from './ui/notices.tsx'
import { Empty } from './ui/section.tsx'

export function App() {
  const { phase } = connection.value
  const content = useRef<HTMLElement>(null)
  const path = pathOf(place.value)
  const before = useRef(path)
  useEffect(() => {
    if (before.current !== path) arrived(content.current)
    before.current = path
  }, [path])
  if (phase === 'signedOut') return <SignIn />
  return (
    <div class="shell">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Header />
      <Banner />
      <div class="middle">
        <Inventory />
        <main ref={content} id="content" tabIndex={-1}>
          {isLoaded.value ? (
            <Page />
          ) : (
            <Empty>{phase === 'lost' ? 'Nothing is known yet.' : 'Loading…'}</Empty>
          )}
        </main>
      </div>
      {place.value.page !== 'tasks' && <Foot />}
      <Notices />
      <Overlays />
    </div>
  )
}

/** At another place one begins at its head; whoever followed a link that is gone with its page reads on there. */
function arrived(content: HTMLElement | null): void {
  if (content === null) return
  content.scrollTop = 0
  if (document.activeElement === document.body) content.focus({ preventScroll: true })
}

function Page() {
  const at = place.value
  switch (at.page) {
    case 'cluster':
      return <ClusterPage />
    case 'host':
      return <HostPage key={at.host} name={at.host} />
    case 'job':
      return <JobPage key={at.job} id={at.job} />
    case 'move':
      return <MovePage key={at.move} job={at.job} id={at.move} />
    case 'tasks':
      return <TasksPage />
    case 'missing':
      return (
        <div class="page">
          <h1>Nothing is here</h1>
          <p>
            No page of the console is called <code>{at.path}</code>. <a href="/">To the cluster</a>
          </p>
        </div>
      )
  }
}
