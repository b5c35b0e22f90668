#!/usr/bin/env node
// What was built of the sources, or the sources themselves: then tsx strips the types on the way in.
import { entryFile } from '@godwit/launch'

const file = entryFile('cli/main')
if (file.endsWith('.ts')) {
  const { register } = await import('tsx/esm/api')
  register()
}
await import(file)
