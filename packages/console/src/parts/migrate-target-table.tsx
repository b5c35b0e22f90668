/** Hosts to move to, as a group of radio buttons: how busy each is, where it stands, and what a move there would meet. */
import { useState } from 'preact/hooks'
import { HostCpu, HostMemory } from '../pages/cells.tsx'
import { State } from '../ui/state.tsx'
import { keyOf, type Look, outcomeOf, type Target } from './migrate-targets.ts'

interface TargetTableProps {
  readonly targets: readonly Target[]
  /** Undefined: the coordinator chooses. */
  readonly chosen: string | undefined
  readonly looks: ReadonlyMap<string, Look>
  readonly jobs: readonly string[]
  choose(target: string | undefined): void
  stop(): void
  again(): void
}

/** With more of them they can be searched. */
const FEW = 8
const SHOWN = 50

export function TargetTable({ targets, chosen, looks, jobs, choose, stop, again }: TargetTableProps) {
  const [search, setSearch] = useState('')
  const isLooking = [...looks.values()].some(({ state }) => state === 'looking')
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  const found = targets.filter(({ host: { name, faultDomain } }) =>
    words.every((word) => `${name} ${faultDomain}`.toLowerCase().includes(word)),
  )
  const seldom = found.filter(({ host }, index) => index < SHOWN || host.name === chosen)
  return (
    <fieldset>
      <legend>Target</legend>
      <div class="target-tools">
        {targets.length > FEW && (
          <input
            type="search"
            aria-label="Search hosts by name or fault domain"
            placeholder="Name or fault domain"
            value={search}
            onInput={({ currentTarget }) => setSearch(currentTarget.value)}
          />
        )}
        <button type="button" class="quiet small" onClick={isLooking ? stop : again}>
          {isLooking ? 'Stop checking' : 'Check again'}
        </button>
      </div>
      <div class="table-scroll">
        <table class="lines targets">
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col" class="minor">
                Fault domain
              </th>
              <th scope="col" class="number">
                Processor
              </th>
              <th scope="col" class="number minor">
                Memory
              </th>
              <th scope="col" class="number minor">
                Jobs
              </th>
              <th scope="col">A move there</th>
            </tr>
          </thead>
          <tbody>
            <Automatic isChosen={chosen === undefined} looks={looks} jobs={jobs} choose={choose} />
            {seldom.map((target) => (
              <TargetRow
                key={target.host.name}
                target={target}
                isChosen={chosen === target.host.name}
                looks={looks}
                choose={choose}
              />
            ))}
          </tbody>
        </table>
      </div>
      {seldom.length < found.length && (
        <p class="muted small">
          {found.length - seldom.length} more: search for them by name or fault domain.
        </p>
      )}
    </fieldset>
  )
}

interface AutomaticProps {
  readonly isChosen: boolean
  readonly looks: ReadonlyMap<string, Look>
  readonly jobs: readonly string[]
  choose(target: undefined): void
}

function Automatic({ isChosen, looks, jobs, choose }: AutomaticProps) {
  const seen = jobs.map((job) => looks.get(keyOf({ job, to: undefined })))
  const names = new Set(seen.flatMap((look) => (look?.state === 'seen' ? (look.preflight.to ?? []) : [])))
  return (
    <tr class={isChosen ? 'chosen' : ''}>
      <td>
        <label class="check">
          <input
            type="radio"
            name="target"
            // biome-ignore lint/a11y/noAutofocus: the first thing that is chosen in a dialog that was just opened
            autoFocus={isChosen}
            checked={isChosen}
            onChange={() => choose(undefined)}
          />
          <span>
            <b>Automatic</b>
            <span class="muted">
              {names.size === 0 ? ' chosen as it moves' : ` now ${[...names].join(', ')}`}
            </span>
          </span>
        </label>
      </td>
      <td class="minor" />
      <td />
      <td class="minor" />
      <td class="minor" />
      <td>
        <Outcome looks={seen} />
      </td>
    </tr>
  )
}

interface TargetRowProps {
  readonly target: Target
  readonly isChosen: boolean
  readonly looks: ReadonlyMap<string, Look>
  choose(target: string): void
}

function TargetRow({ target, isChosen, looks, choose }: TargetRowProps) {
  const { host, refusal, jobs } = target
  const { name, faultDomain, workloads, maxJobs } = host
  return (
    <tr class={isChosen ? 'chosen' : ''}>
      <td>
        <label class="check">
          <input
            type="radio"
            name="target"
            // biome-ignore lint/a11y/noAutofocus: what was chosen by dropping jobs on it
            autoFocus={isChosen}
            value={name}
            checked={isChosen}
            disabled={refusal !== undefined}
            onChange={() => choose(name)}
          />
          <span>
            {name}
            <span class="target-domain muted"> {faultDomain}</span>
          </span>
        </label>
      </td>
      <td class="minor muted">{faultDomain}</td>
      <td class="number">
        <HostCpu name={name} />
      </td>
      <td class="number minor">
        <HostMemory name={name} />
      </td>
      <td class="number minor">
        {workloads.length}
        {maxJobs !== undefined && ` of ${maxJobs}`}
      </td>
      <td>
        {refusal === undefined ? (
          <Outcome looks={jobs.map((job) => looks.get(keyOf({ job, to: name })))} />
        ) : (
          <span class="muted">{refusal}</span>
        )}
      </td>
    </tr>
  )
}

function Outcome({ looks }: { readonly looks: readonly (Look | undefined)[] }) {
  const outcome = outcomeOf(looks)
  return outcome === undefined ? (
    <span class="muted">not checked</span>
  ) : (
    <State tone={outcome.tone} word={outcome.word} />
  )
}
