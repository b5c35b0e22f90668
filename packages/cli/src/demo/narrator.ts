/**
 * What a person sees of the demo: at a terminal a line that is written over, with the loss curve and a bar where the
 * job moved; elsewhere a line every tenth of a run. With --json all of it goes to stderr.
 */
import type { MigrationView } from '@godwit/protocol'
import type { Io } from '../io.ts'
import { renderProgress } from '../render/progress.ts'
import { sparkline } from '../render/sparkline.ts'
import { formatLoss } from '../render/units.ts'
import type { RecordedRun, RunObserver } from './recorded-run.ts'

const CURVE_WIDTH = 32
const LINES_A_RUN = 10

export class Narrator implements RunObserver {
  readonly #io: Io
  readonly #json: boolean
  #title = ''
  #steps = 0
  #toldTenths = 0
  #toldStatus = ''

  constructor(io: Io, json: boolean) {
    this.#io = io
    this.#json = json
  }

  say(line = ''): void {
    if (this.#json) this.#io.err(line)
    else this.#io.out(line)
  }

  begin(title: string, steps: number): void {
    this.#title = title
    this.#steps = steps
    this.#toldTenths = 0
    this.say(`${title}: ${steps} steps`)
  }

  stepped(run: RecordedRun): void {
    const { losses } = run.recorder
    const done = losses.length
    const tenths = Math.floor((done * LINES_A_RUN) / this.#steps)
    if (tenths > this.#toldTenths) {
      this.#toldTenths = tenths
      if (this.#io.columns === undefined || tenths === LINES_A_RUN) this.say(`  ${this.#line(run)}`)
    } else {
      this.#io.live(`  ${this.#title}  ${this.#line(run)}`)
    }
  }

  migration(view: MigrationView): void {
    const told = `${view.id} ${view.status}`
    if (told === this.#toldStatus) this.#io.live(`  ${renderProgress(view)}`)
    else this.say(`  ${renderProgress(view)}`)
    this.#toldStatus = told
  }

  #line({ recorder, marks, workload }: RecordedRun): string {
    const done = recorder.losses.length
    const curve = sparkline(recorder.losses, CURVE_WIDTH, marks)
    const step = `${done}/${this.#steps}`.padStart(2 * String(this.#steps).length + 1)
    return `step ${step}  loss ${formatLoss(recorder.losses.at(-1))}  on ${workload?.host ?? '?'}  ${curve}`
  }
}
