/** Paged memory: the arena with its layout, dirty trackers, the page codec, and what reads pages. */
export { Arena } from './arena.ts'
export { type ChosenTracker, chooseTracker, proveUserfaultfd } from './choose-tracker.ts'
export { CompareTracker } from './compare.ts'
export { copyBytes } from './copy-bytes.ts'
export { type DirtyTracker, TRACKER_KINDS, type TrackerKind } from './dirty-tracker.ts'
export { FramedImage, type FramedRuns } from './framed-image.ts'
export {
  type ArenaLayout,
  arenaBytes,
  arenaDigest,
  attachLayout,
  checkLayout,
  type Dtype,
  type DtypeArrays,
  layoutDigest,
  type TensorLayout,
} from './layout.ts'
export { DirtyPages, type Subscription } from './subscriptions.ts'
export { UserfaultfdTracker } from './userfaultfd.ts'
export type { SharedMemory } from './webassembly.ts'
export { isXorPossible, XorDecoder, type XorEffort, XorEncoder } from './xor-codec.ts'
export { isZeroPage } from './zero-page.ts'
