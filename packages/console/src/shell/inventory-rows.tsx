/** Rows of the inventory. Each draws itself anew when what it is about changes, and no other does. */
import type { ComponentChildren, HTMLAttributes } from 'preact'
import { useState } from 'preact/hooks'
import { formatNumber, formatPercent, plural } from '../format/units.ts'
import { HOST_TONES } from '../state/hosts.ts'
import { jobState, type Tone } from '../state/jobs.ts'
import { picked } from '../state/selection.ts'
import { hosts, jobs, moves } from '../state/store.ts'
import type { TreeRow } from '../state/tree.ts'
import { Bar } from '../ui/meter.tsx'
import { Mark } from '../ui/state.tsx'

export interface RowProps {
  readonly row: TreeRow
  readonly id: string
  /** Where the keyboard is. */
  readonly isAt: boolean
  /** Its page is shown. */
  readonly isHere: boolean
  readonly isPicked: boolean
  readonly mayDrag: boolean
  clicked(event: MouseEvent): void
  toggled(): void
  dropped(jobs: readonly string[]): void
}

/** What is dragged: ids of jobs, one a line. */
const DRAGGED = 'application/x-godwit-jobs'

export function ZoneRow(props: RowProps) {
  const { row } = props
  return (
    <Item {...props} about={`${row.kind}, ${plural(row.jobCount, 'job')}`}>
      <span class="row-note" aria-hidden="true">
        {row.jobCount}
      </span>
    </Item>
  )
}

export function HostRow(props: RowProps) {
  const { row } = props
  const [isOver, setIsOver] = useState(false)
  const host = hosts.get(row.name)
  if (host === undefined) return null
  const cpu = host.utilisation?.cpu
  const { state } = host
  return (
    <Item
      {...props}
      about={`host, ${state}, processor ${formatPercent(cpu)}, ${plural(row.jobCount, 'job')}`}
      mark={HOST_TONES[state]}
      extra={isOver ? 'drop' : ''}
      handlers={{
        onDragOver: (event) => {
          if (!event.dataTransfer?.types.includes(DRAGGED)) return
          event.preventDefault()
          event.dataTransfer.dropEffect = 'move'
          setIsOver(true)
        },
        onDragLeave: () => setIsOver(false),
        onDrop: (event) => {
          event.preventDefault()
          setIsOver(false)
          const ids = event.dataTransfer?.getData(DRAGGED).split('\n').filter(Boolean) ?? []
          props.dropped(ids.filter((id) => jobs.peek(id)?.host !== row.name))
        },
      }}
    >
      {state === 'connected' ? (
        <span class="row-load" aria-hidden="true" title={`Processor ${formatPercent(cpu)}`}>
          <Bar label={`Processor of ${row.name}`} share={cpu} isSlim />
        </span>
      ) : (
        <span class="row-note" aria-hidden="true">
          {state}
        </span>
      )}
    </Item>
  )
}

export function JobRow(props: RowProps) {
  const { row, mayDrag } = props
  const job = jobs.get(row.name)
  if (job === undefined) return null
  const move = job.migration === undefined ? undefined : moves.get(job.migration)
  const { tone, word } = jobState(job, move)
  const percent = tone === 'move' ? move?.progress?.percent : undefined
  const note =
    tone === 'move'
      ? `→ ${move?.to}${percent === undefined ? '' : ` ${Math.floor(percent)} %`}`
      : tone === 'ok'
        ? `${formatNumber(job.stepsPerSecond)} /s`
        : word
  return (
    <Item
      {...props}
      about={`job, ${word}${tone === 'move' ? ` to ${move?.to}` : ''}`}
      mark={tone}
      handlers={{
        draggable: mayDrag,
        onDragStart: (event) => {
          const ids = picked.peek().has(row.name) ? [...picked.peek()] : [row.name]
          event.dataTransfer?.setData(DRAGGED, ids.join('\n'))
          event.dataTransfer?.setData('text/plain', ids.join('\n'))
          if (event.dataTransfer !== null) event.dataTransfer.effectAllowed = 'move'
        },
      }}
    >
      <span class="row-note" aria-hidden="true" title={tone === 'ok' ? 'Steps a second' : undefined}>
        {note}
      </span>
    </Item>
  )
}

interface ItemProps extends RowProps {
  /** Said of it to those who don't see it. */
  readonly about: string
  readonly mark?: Tone
  readonly extra?: string
  readonly handlers?: HTMLAttributes<HTMLDivElement>
  readonly children: ComponentChildren
}

function Item({
  row,
  id,
  isAt,
  isHere,
  isPicked,
  about,
  mark,
  extra,
  handlers,
  children,
  ...does
}: ItemProps) {
  const { isOpen, level } = row
  const flags = [isAt && 'at', isHere && 'here', isPicked && 'picked-row', extra].filter(Boolean).join(' ')
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the focus, and listens for keys
    <div
      id={id}
      class={`row ${row.kind} ${flags}`}
      role="treeitem"
      tabIndex={-1}
      aria-level={level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-description={about}
      aria-selected={isHere || isPicked}
      {...(isOpen !== undefined && { 'aria-expanded': isOpen })}
      onClick={does.clicked}
      style={{ paddingInlineStart: `${(level - 1) * 14 + 6}px` }}
      {...handlers}
    >
      <span
        class={isOpen === undefined ? 'twist none' : isOpen ? 'twist open' : 'twist'}
        aria-hidden="true"
        onClick={(event) => {
          if (isOpen === undefined) return
          event.stopPropagation()
          does.toggled()
        }}
      />
      {mark !== undefined && <Mark tone={mark} />}
      <span class="row-name">{row.name}</span>
      {children}
    </div>
  )
}
