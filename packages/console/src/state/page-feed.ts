/** The pages of a job that moves, as its source sees them a few times a second, for as long as somebody looks. */
import { cellsInRuns } from '@godwit/protocol/light'
import { type ReadonlySignal, signal } from '@preact/signals'
import { subscribe } from '../api/connection.ts'
import { PageCells } from '../parts/page-cells.ts'

export interface PageFeed {
  /** Undefined until the first picture has come. */
  readonly cells: ReadonlySignal<PageCells | undefined>
  /** Rises with each picture. */
  readonly version: ReadonlySignal<number>
  end(): void
}

/** Of one move; pictures of others are not looked at. */
export function feedPages(workload: string, migration: string): PageFeed {
  const cells = signal<PageCells>()
  const version = signal(0)
  const end = subscribe({
    begin: () => ({ op: 'watchPages', workload }),
    end: () => ({ op: 'unwatchPages', workload }),
    heard: (message) => {
      if (message.type !== 'event' || message.workload !== workload) return
      const { event } = message
      if (event.kind !== 'pages' || event.migration !== migration) return
      const { pageCount, pagesPerCell } = event
      const runs = Uint8Array.from(atob(event.runs), (char) => char.charCodeAt(0))
      if (cells.value?.pageCount !== pageCount || cells.value.resolution !== pagesPerCell)
        cells.value = new PageCells(pageCount, pagesPerCell)
      cells.value.show(cellsInRuns({ pageCount, pagesPerCell, runs }))
      version.value++
    },
  })
  return { cells, version, end }
}
