/** The Node release beside the oldest supported one, without the leading `v`. */
export declare const LTS_NODE_VERSION: string
/** The folder that holds, or would hold, `bin/node`. */
export declare function ltsNodeFolder(): string
/** The npm package that brings it; undefined where there is none for this machine. */
export declare function ltsNodePackage(): string | undefined
/** The executable; undefined when it is not here (`node scripts/fetch-lts-node.mjs` gets it). */
export declare function ltsNodePath(): string | undefined
