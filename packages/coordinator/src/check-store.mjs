/**
 * Reads every entry of the LMDB folder that it is given and ends with 0. Run as a process of its own before the coordinator opens the
 * folder: LMDB reads its file through memory, so that a damaged one ends whoever reads it with a signal, not an error.
 */
import { open } from 'lmdb'

const store = open({ path: process.argv[2], readOnly: true, encoding: 'binary', keyEncoding: 'binary' })
for (const { value } of store.getRange()) if (value.length === 0) process.exitCode = 1
await store.close()
