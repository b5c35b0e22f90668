/**
 * Errors of the file system as errors of the world: a full disk and a folder that may not be written are the two
 * things that happen to a host which is otherwise well, and a person can do something about both.
 */
import { GodwitError } from '@godwit/protocol'

/** Any error of a file operation in `folder` as a GodwitError: `disk-full`, `bad-arguments`, or `internal` for the rest. */
export function diskError(error: unknown, folder: string): GodwitError {
  if (error instanceof GodwitError) return error
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new GodwitError(
        'disk-full',
        `nothing can be written to ${folder}, its disk is full: free some space or give another folder with --data-dir`,
        { cause: error },
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new GodwitError(
        'bad-arguments',
        `${folder} can't be written (${code}): change its permissions or give another folder with --data-dir`,
        { cause: error },
      )
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EEXIST':
      return new GodwitError(
        'bad-arguments',
        `${folder} is no folder and can't be made one (${code}): give another one with --data-dir`,
        {
          cause: error,
        },
      )
    default:
      return new GodwitError('internal', `${folder}: ${message}`, { cause: error })
  }
}
