export * from './errors.ts'
export * from './pages.ts'
