/**
 * Before a host is emptied: which of its jobs would go where, and which can't. It is asked by a preflight of each job without a target, which
 * moves nothing; a few at a time, since each has a worker started somewhere.
 */
import type { PreflightView } from '@godwit/protocol'
import { useSignal } from '@preact/signals'
import { useEffect, useState } from 'preact/hooks'
import { ask, Refusal } from '../api/ask.ts'
import { plural } from '../format/units.ts'
import { enterMaintenance } from '../state/doing.ts'
import { isOver } from '../state/jobs.ts'
import { closeOverlay } from '../state/overlays.ts'
import { sentence } from '../state/sentence.ts'
import { jobs } from '../state/store.ts'
import { compareNames } from '../state/tree.ts'
import { Dialog } from '../ui/dialog.tsx'
import { State } from '../ui/state.tsx'

/** Preflights at once, and at most: of further jobs it is not asked. */
const AT_ONCE = 2
const MAX_ASKED = 20

type Finding = { readonly to: string } | { readonly why: string }

export function MaintenanceDialog({ host }: { readonly host: string }) {
  const findings = useSignal<ReadonlyMap<string, Finding>>(new Map())
  const isForced = useSignal(false)
  const [leaving] = useState(() => leavingOf(host))
  useEffect(() => {
    const closing = new AbortController()
    void look(leaving.slice(0, MAX_ASKED), {
      isClosed: () => closing.signal.aborted,
      found: (id, finding) => {
        findings.value = new Map([...findings.value, [id, finding]])
      },
    })
    return () => closing.abort()
  }, [leaving, findings])
  const stuck = [...findings.value.values()].filter((finding) => 'why' in finding).length
  return (
    <Dialog title={`Enter maintenance of ${host}`} closed={closeOverlay}>
      <div class="dialog-body">
        <p>
          {leaving.length === 0
            ? 'No job is on the host. It takes none until it exits maintenance.'
            : `${plural(leaving.length, 'job')} will move to other hosts, training all the while. The host takes none until it exits maintenance.`}
        </p>
        <ul class="leaving" aria-label="Jobs that leave">
          {leaving.slice(0, MAX_ASKED).map((id) => (
            <Leaving key={id} id={id} finding={findings.value.get(id)} />
          ))}
          {leaving.length > MAX_ASKED && <li class="muted">and {leaving.length - MAX_ASKED} more</li>}
        </ul>
        {stuck > 0 && (
          <label class="check">
            <input
              type="checkbox"
              checked={isForced.value}
              onChange={({ currentTarget }) => {
                isForced.value = currentTarget.checked
              }}
            />
            Move those that can, though {plural(stuck, 'job')} can’t
          </label>
        )}
      </div>
      <div class="dialog-foot">
        <button type="button" onClick={closeOverlay}>
          Keep as it is
        </button>
        <button
          type="button"
          class="primary"
          onClick={() => {
            closeOverlay()
            void enterMaintenance(host, isForced.value)
          }}
        >
          Enter maintenance
        </button>
      </div>
    </Dialog>
  )
}

function leavingOf(host: string): string[] {
  const there = jobs.peekAll().filter((job) => job.host === host && !isOver(job))
  return there.map(({ id }) => id).sort(compareNames)
}

function Leaving({ id, finding }: { readonly id: string; readonly finding: Finding | undefined }) {
  return (
    <li>
      <strong>{id}</strong>{' '}
      {finding === undefined ? (
        <span class="muted">looking where it can go…</span>
      ) : 'to' in finding ? (
        <State tone="ok" word={`can go, e.g. to ${finding.to}`} />
      ) : (
        <>
          <State tone="bad" word="can’t go" />
          <p class="small muted">{sentence(finding.why)}</p>
        </>
      )}
    </li>
  )
}

interface Looking {
  isClosed(): boolean
  found(id: string, finding: Finding): void
}

async function look(ids: readonly string[], { isClosed, found }: Looking): Promise<void> {
  const left = [...ids]
  const one = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined && !isClosed(); id = left.shift())
      found(id, await findingOf(id))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

async function findingOf(workload: string): Promise<Finding> {
  try {
    const { preflight } = await ask({ op: 'preflight', workload, options: {} })
    return verdictOf(preflight)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { why: error.message }
  }
}

function verdictOf({ to, checks }: PreflightView): Finding {
  const blocker = checks.find(({ verdict }) => verdict === 'blocker')
  if (blocker === undefined && to !== undefined) return { to }
  return { why: blocker?.message ?? 'No host may take it.' }
}
