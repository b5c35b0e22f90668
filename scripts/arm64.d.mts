export declare const ARM64_NODE_VERSION: string
export declare function arm64Folder(): string
export declare function arm64NodePath(): string | undefined
