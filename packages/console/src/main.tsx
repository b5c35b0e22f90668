/** Where the console begins. */
import { render } from 'preact'
import { connect } from './api/connection.ts'
import { App } from './app.tsx'
import './styles/tokens.css'
import './styles/base.css'
import './state/theme.ts'

render(<App />, document.getElementById('app') as HTMLElement)
connect()
