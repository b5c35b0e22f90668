/** Goal: docs/cli.md is what the commands say of themselves. Method: the file against the commands; `-u` writes it anew. */
import { fileURLToPath } from 'node:url'
import { renderReference } from '@godwit/cli/reference'
import { expect, test } from 'vitest'

test('docs/cli.md is current: npx vitest run test/cli-reference.test.ts -u writes it anew', async () => {
  const file = fileURLToPath(new URL('../docs/cli.md', import.meta.url))
  await expect(renderReference()).toMatchFileSnapshot(file)
})
