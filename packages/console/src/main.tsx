/** Where the console begins. */
import { render } from 'preact'
import { connect } from './api/connection.ts'
import { App } from './app.tsx'
import { listenForShortcuts } from './shell/shortcuts.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/controls.css'
import './styles/shell.css'
import './styles/page.css'
import './state/theme.ts'

render(<App />, document.getElementById('app') as HTMLElement)
listenForShortcuts()
connect()
