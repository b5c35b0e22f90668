/** What of the protocol weighs nothing: no schema and no codec comes along. For the console, whose page it travels in. */
export * from './assignments.ts'
export * from './bandwidth.ts'
export * from './errors.ts'
export * from './limits.ts'
export * from './page-cells.ts'
export * from './roles.ts'
export * from './routes.ts'
