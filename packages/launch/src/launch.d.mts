export type Entry =
  | 'cli/main'
  | 'coordinator/main'
  | 'coordinator/check-store'
  | 'agent/main'
  | 'worker/main'
  | 'worker/bundle'
  | 'worker/check'
  | 'worker/training-thread'
export declare const ENTRIES: Readonly<Record<Entry, string>>
export declare function builtFile(entry: Entry): string
export declare function sourceFile(entry: Entry): string
export declare function entryFile(entry: Entry): string
export declare function nodeArguments(file: string): string[]
export declare function isBuilt(): boolean
