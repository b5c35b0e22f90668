/** The head of the page: name, search, connection, theme, and who is signed in. */
import { connection, signOut } from '../api/connection.ts'
import { currentToken, session } from '../api/session.ts'
import { searchText } from '../state/inventory.ts'
import { overlay } from '../state/overlays.ts'
import { chooseTheme, type ThemeChoice, themeChoice } from '../state/theme.ts'
import { Link } from '../ui/link.tsx'
import { State } from '../ui/state.tsx'
import { isDrawerOpen } from './drawer.ts'

export function Header() {
  return (
    <header class="top">
      <button
        type="button"
        class="icon only-narrow"
        aria-label="Inventory"
        aria-expanded={isDrawerOpen.value}
        aria-controls="inventory"
        onClick={() => {
          isDrawerOpen.value = !isDrawerOpen.value
        }}
      >
        ☰
      </button>
      <Link to={{ page: 'cluster' }} class="brand">
        <img src="/godwit.svg" alt="" width={24} height={24} />
        Godwit
      </Link>
      <input
        type="search"
        class="search"
        placeholder="Search hosts and jobs"
        aria-label="Search hosts and jobs"
        aria-keyshortcuts="/"
        id="search"
        value={searchText.value}
        onInput={({ currentTarget }) => {
          searchText.value = currentTarget.value
          if (currentTarget.value !== '') isDrawerOpen.value = true
        }}
      />
      <span class="grow" />
      <Connection />
      <button
        type="button"
        class="icon only-wide"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={() => {
          overlay.value = { kind: 'keys' }
        }}
      >
        ?
      </button>
      <ThemeSwitch />
      <Who />
    </header>
  )
}

const THEMES: Record<ThemeChoice, readonly [mark: string, next: ThemeChoice]> = {
  system: ['◐', 'light'],
  light: ['☀', 'dark'],
  dark: ['☾', 'system'],
}

function ThemeSwitch() {
  const choice = themeChoice.value
  const [mark, next] = THEMES[choice]
  return (
    <button
      type="button"
      class="icon"
      aria-label={`Theme: ${choice}`}
      title={`Theme: ${choice}. Next: ${next}`}
      onClick={() => chooseTheme(next)}
    >
      <span aria-hidden="true">{mark}</span>
    </button>
  )
}

function Connection() {
  switch (connection.value.phase) {
    case 'live':
      return <State tone="ok" word="Live" />
    case 'lost':
      return <State tone="bad" word="Offline" />
    default:
      return <State tone="warn" word="Connecting" />
  }
}

function Who() {
  const who = session.value
  if (who === undefined) return null
  if (currentToken() === undefined)
    return (
      <span class="muted only-wide" title="This cluster is not secured: nobody needs a token.">
        not secured
      </span>
    )
  return (
    <span class="who">
      <span class="muted only-wide" title={`token ${who.who}`}>
        {who.role}
      </span>
      <button type="button" class="quiet" onClick={signOut}>
        Sign out
      </button>
    </span>
  )
}
