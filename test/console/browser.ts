/**
 * A person's browser at the console: real Chromium without a window, driven by playwright-core. What a person would not see but would suffer
 * from is collected and fails the test: errors of the page, requests to anybody but the coordinator, what the content security policy refused.
 */
import { deepEqual } from 'node:assert/strict'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { REPOSITORY } from '../support/cluster.ts'
import { whyNot } from '../support/needs.ts'

/** Debian's name for it, and others'. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable']
/** Where pictures are kept: of this run, for whoever looks at what CI saw; `GODWIT_PICTURES=docs/images` renews those of the README. */
const PICTURES = join(REPOSITORY, process.env.GODWIT_PICTURES ?? '.godwit/pictures')
/** Longer than anything here takes on a busy machine. */
const PATIENCE_MS = 60_000
const LOOK_EVERY_MS = 100

/** Undefined where a browser is to be had. */
export function whyNoBrowser(): string | undefined {
  return whyNot(browserPath)
}

function browserPath(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram)
  if (found === undefined)
    throw new Error('no Chromium on the PATH: node scripts/install-packages.mjs browser')
  return found
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface Violation {
  readonly id: string
  readonly help: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

export interface Looks {
  readonly width?: number
  readonly height?: number
  readonly colorScheme?: 'light' | 'dark'
}

export class Viewer {
  readonly page: Page
  readonly #browser: Browser
  readonly #wrong: string[] = []
  /** Interfaces of this machine come and go with tests of networks: Chromium breaks off whatever it had asked for. */
  #tolerated: RegExp[] = [/ERR_NETWORK_CHANGED/]

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser
    this.page = page
    page.on('pageerror', (error) => this.#wrong.push(`the page threw: ${error.stack ?? error.message}`))
    page.on('console', (message) => {
      if (message.type() === 'error') this.#wrong.push(`console: ${message.text()}`)
    })
    page.on('request', (request) => {
      const { host } = new URL(request.url())
      if (host !== new URL(url).host && !request.url().startsWith('data:'))
        this.#wrong.push(`asked somebody else: ${request.url()}`)
      if (/gwa1|token=/i.test(request.url())) this.#wrong.push(`a token in an address: ${request.url()}`)
    })
  }

  /** Opens the console of the coordinator at `url` (ws or wss, as others are told it). */
  static async open(
    url: string,
    path = '/',
    { width = 1440, height = 900, colorScheme = 'light' }: Looks = {},
  ): Promise<Viewer> {
    const address = url.replace(/^ws/, 'http')
    const browser = await chromium.launch({
      executablePath: browserPath(),
      // Root has no sandbox of Chromium's; the page is ours.
      args: process.geteuid?.() === 0 ? ['--no-sandbox'] : [],
    })
    try {
      const context = await browser.newContext({
        baseURL: address,
        viewport: { width, height },
        colorScheme,
        // The cluster's authority is its own: a person is told its fingerprint.
        ignoreHTTPSErrors: true,
      })
      context.setDefaultTimeout(PATIENCE_MS)
      const page = await context.newPage()
      const viewer = new Viewer(browser, page, address)
      await page.goto(path)
      return viewer
    } catch (error) {
      await browser.close()
      throw error
    }
  }

  /** Errors of this kind are to come, e.g. of a coordinator that is gone. */
  tolerate(...errors: RegExp[]): void {
    this.#tolerated = [...this.#tolerated, ...errors]
  }

  /** The row of a host or job in the inventory. */
  row(name: string): ReturnType<Page['locator']> {
    return this.page
      .getByRole('tree', { name: 'Hosts and jobs' })
      .getByRole('treeitem', { name: new RegExp(`^${name}( |$)`) })
  }

  button(name: string | RegExp): ReturnType<Page['locator']> {
    return this.page.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name })
  }

  /** The value that stands beside this name, as a person reads it. */
  figure(name: string): ReturnType<Page['locator']> {
    return this.page
      .locator('dl > div')
      .filter({ has: this.page.locator('dt', { hasText: new RegExp(`^${name}$`) }) })
      .locator('dd')
      .first()
  }

  /** Until it holds of what the page shows. */
  async until(isSo: () => Promise<boolean>, what: string): Promise<void> {
    const untilMs = performance.now() + PATIENCE_MS
    while (!(await isSo())) {
      if (performance.now() > untilMs) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
      await delay(LOOK_EVERY_MS)
    }
  }

  /** A picture of the whole window. */
  async picture(name: string): Promise<void> {
    mkdirSync(PICTURES, { recursive: true })
    await this.page.screenshot({ path: join(PICTURES, `${name}.png`) })
  }

  /** What axe finds that keeps people out: nothing. */
  async isAccessible(): Promise<void> {
    await this.page.evaluate(axe.source)
    const violations = await this.page.evaluate<Violation[]>(
      'axe.run(document).then(({ violations }) => JSON.parse(JSON.stringify(violations)))',
    )
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    deepEqual(
      serious.map(({ id, help, nodes }) => ({ id, help, at: nodes.map(({ html }) => html) })),
      [],
    )
  }

  /** Closes the browser. Fails when something was wrong that nobody expected. */
  async close(): Promise<void> {
    await this.#browser.close()
    deepEqual(
      this.#wrong.filter((text) => !this.#tolerated.some((known) => known.test(text))),
      [],
    )
  }
}
