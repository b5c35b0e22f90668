/** A share as a bar. */
import type { ComponentChildren } from 'preact'
import { formatPercent } from '../format/units.ts'

interface BarProps {
  readonly label: string
  /** From 0 to 1; undefined where nobody knows. */
  readonly share: number | undefined
  readonly tone?: 'move' | 'warn' | 'bad' | undefined
  readonly isSlim?: boolean
  /** A thing that goes on, rather than one that is so full. */
  readonly isProgress?: boolean
}

export function Bar({ label, share, tone, isSlim, isProgress }: BarProps) {
  const bounded = Math.min(1, Math.max(0, share ?? 0))
  const isUnknown = isProgress === true && share === undefined
  const said = {
    role: isProgress === true ? 'progressbar' : 'meter',
    'aria-label': label,
    'aria-valuemin': 0,
    'aria-valuemax': 100,
    'aria-valuetext': formatPercent(share),
    ...(share !== undefined && { 'aria-valuenow': Math.round(bounded * 100) }),
  } as const
  return (
    <div
      class={['bar', tone, isSlim === true && 'slim', isUnknown && 'unknown'].filter(Boolean).join(' ')}
      {...said}
    >
      <span style={{ transform: `scaleX(${isUnknown ? 0.3 : bounded})` }} />
    </div>
  )
}

interface MeterProps extends Omit<BarProps, 'tone'> {
  /** To be nearly full is trouble. */
  readonly mayFill?: boolean
  readonly children: ComponentChildren
}

/** With what it measures before and how much it is behind. */
export function Meter({ label, share, mayFill, children }: MeterProps) {
  const tone =
    mayFill !== true || share === undefined || share < 0.8 ? undefined : share < 0.95 ? 'warn' : 'bad'
  return (
    <div class="meter">
      <div class="meter-label">
        <span>{label}</span>
        <span>{children}</span>
      </div>
      <Bar label={label} share={share} tone={tone} />
    </div>
  )
}
