/** A folder of a test's own with program files in it, and packages installed beside them. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export class ProgramFolder {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'godwit-program-')))

  /** Writes a file, with its folders, and returns its absolute path. */
  write(path: string, content: string | Uint8Array): string {
    const file = join(this.path, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    return file
  }

  /** Installs a package without content; `under` is the folder that has the node_modules. */
  install(name: string, version: string, under = '.'): void {
    this.write(join(under, 'node_modules', name, 'package.json'), JSON.stringify({ name, version }))
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
