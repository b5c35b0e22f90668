export interface Room {
  /** Other rooms, or a single entry of one (`worker/contract`). */
  imports: readonly string[]
  /** Rooms of which types alone may be imported. */
  types?: readonly string[]
  /** Third-party packages. */
  packages: readonly string[]
  /** False: no module of Node. */
  node?: false
}

export interface House {
  /** Source text by path from the root. */
  files: Record<string, string>
  /** By folder name: names of dependencies, paths of tsconfig references. */
  packages: Record<string, { dependencies: readonly string[]; references: readonly string[] }>
  /** Paths of the root tsconfig's references. */
  references: readonly string[]
}

export declare const ROOMS: Record<string, Room>
/** What contradicts `rooms`, one sentence each. */
export declare function checkRooms(house: House, rooms?: Record<string, Room>): string[]
export declare function readHouse(root: string): House
