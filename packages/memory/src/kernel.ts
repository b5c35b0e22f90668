/**
 * The few calls to the Linux kernel that Node.js doesn't offer, and every constant and struct they take. Nothing
 * else in the project speaks to the kernel directly.
 *
 * Structs are arrays of 64-bit words (each struct here is nothing but u64 fields), passed by address. The kernel
 * writes its answer into the same words.
 *
 * Sources: Linux Documentation/admin-guide/mm/userfaultfd.rst and pagemap.rst (section "Pagemap Scan IOCTL"),
 * include/uapi/linux/userfaultfd.h, include/uapi/linux/fs.h, include/uapi/asm-generic/ioctl.h.
 */
import { createRequire } from 'node:module'
import { constants as osConstants } from 'node:os'
import { GodwitError } from '@godwit/protocol'

export const DEV_USERFAULTFD = '/dev/userfaultfd'
export const PAGEMAP = '/proc/self/pagemap'

/** The number of syscall `userfaultfd`, which differs between architectures. */
const USERFAULTFD_SYSCALLS: Partial<Record<NodeJS.Architecture, number>> = { x64: 323, arm64: 282 }

/** Faults of the kernel's own accesses are not delivered; then it needs no privilege. Tracking doesn't deliver any. */
const UFFD_USER_MODE_ONLY = 1
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

const IOCTL = {
  /** _IO(0xAA, 0x00) on /dev/userfaultfd: returns a new userfaultfd. */
  USERFAULTFD_IOC_NEW: 0x0000aa00,
  /** _IOWR(0xAA, 0x3f, struct uffdio_api {api, features, ioctls}) */
  UFFDIO_API: 0xc018aa3f,
  /** _IOWR(0xAA, 0x00, struct uffdio_register {start, len, mode, ioctls}) */
  UFFDIO_REGISTER: 0xc020aa00,
  /** _IOR(0xAA, 0x01, struct uffdio_range {start, len}) */
  UFFDIO_UNREGISTER: 0x8010aa01,
  /** _IOWR(0xAA, 0x06, struct uffdio_writeprotect {start, len, mode}) */
  UFFDIO_WRITEPROTECT: 0xc018aa06,
  /** _IOWR('f', 16, struct pm_scan_arg), on a pagemap file */
  PAGEMAP_SCAN: 0xc0606610,
} as const

const UFFD_API = 0xaan
/** Pages that were never touched are write-protected too: the first write to one counts. Linux 6.4. */
const UFFD_FEATURE_WP_UNPOPULATED = 1n << 13n
/** The kernel lifts the protection itself at the first write, nobody is woken. Linux 6.7. */
const UFFD_FEATURE_WP_ASYNC = 1n << 15n
const UFFDIO_REGISTER_MODE_WP = 2n
const UFFDIO_WRITEPROTECT_MODE_WP = 1n
/** Write-protect again what the scan found: finding and forgetting is one step, under the page table's lock. */
const PM_SCAN_WP_MATCHING = 1n
/** Fail with EPERM where memory is not registered for asynchronous write-protection. */
const PM_SCAN_CHECK_WPASYNC = 2n
const PAGE_IS_WRITTEN = 2n

/** Words of struct page_region {start, end, categories}. */
export const REGION_WORDS = 3

export interface ScanResult {
  /** Regions written to the caller's vector. */
  regionCount: number
  /** The address where the scan stopped: `end`, unless the vector filled up. */
  walkEnd: number
}

/**
 * The kernel as the tracker sees it; tests put a failing one in its place. Addresses and lengths are bytes.
 * Everything throws a GodwitError that names the call, its errno and what to do.
 */
export interface Kernel {
  /** Bytes of the kernel's page, which is the grain of its tracking. */
  readonly pageBytes: number
  addressOf(bytes: Uint8Array | BigUint64Array): number
  /** A userfaultfd in asynchronous write-protect mode. `any` tries the device, then the syscall without privileges. */
  openUserfaultfd(way?: 'any' | 'device' | 'syscall'): number
  register(fd: number, start: number, byteLength: number): void
  unregister(fd: number, start: number, byteLength: number): void
  writeProtect(fd: number, start: number, byteLength: number): void
  /** Finds and write-protects again the written pages of start..end; `vector` takes regions of three words each. */
  scanWritten(pagemapFd: number, start: number, end: number, vector: BigUint64Array): ScanResult
  close(fd: number): void
}

type Koffi = typeof import('koffi')

let kernel: Kernel | undefined

/** Binds the calls, once a thread. Throws GodwitError `internal` with the reason where that can't be. */
export function loadKernel(): Kernel {
  kernel ??= bind()
  return kernel
}

function bind(): Kernel {
  if (process.platform !== 'linux') {
    throw new GodwitError('internal', `userfaultfd is Linux's; this is ${process.platform}.`)
  }
  // Required here, not imported above: a platform without its binary can still use the other tracker.
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const libc = koffi.load(null)
  const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)')
  const ioctlWithFlags = libc.func('ioctl', 'int', ['int', 'unsigned long', 'unsigned long'])
  const syscall = libc.func('long syscall(long number, int flags)')
  const closeFd = libc.func('int close(int fd)')
  const openFile = libc.func('int open(const char *path, int flags)')
  // A typed array's address is what memmove returns when it moves nothing.
  const memmove = libc.func('uintptr_t memmove(void *to, void *from, size_t bytes)')
  const pageBytes = Number(libc.func('int getpagesize()')())

  const call = (name: string, result: unknown): number => {
    if (typeof result === 'number' && result >= 0) return result
    throw kernelError(name, koffi.errno())
  }
  const control = (name: keyof typeof IOCTL, fd: number, words: BigUint64Array | null): number =>
    call(name, ioctl(fd, IOCTL[name], words))

  const newFromDevice = (): number => {
    const device = call(`open ${DEV_USERFAULTFD}`, openFile(DEV_USERFAULTFD, O_CLOEXEC | 2))
    try {
      // This one ioctl takes flags where others take a struct.
      return call(
        'USERFAULTFD_IOC_NEW',
        ioctlWithFlags(device, IOCTL.USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK),
      )
    } finally {
      closeFd(device)
    }
  }
  const newFromSyscall = (): number => {
    const number = USERFAULTFD_SYSCALLS[process.arch]
    if (number === undefined) {
      throw new GodwitError('internal', `The number of syscall userfaultfd on ${process.arch} is not known.`)
    }
    return call('userfaultfd', syscall(number, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY))
  }

  return {
    pageBytes,
    addressOf: (bytes) => Number(memmove(bytes, bytes, 0)),
    openUserfaultfd(way = 'any') {
      const fd = way === 'device' ? newFromDevice() : way === 'syscall' ? newFromSyscall() : openEither()
      try {
        control(
          'UFFDIO_API',
          fd,
          BigUint64Array.of(UFFD_API, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED, 0n),
        )
      } catch (error) {
        closeFd(fd)
        throw error
      }
      return fd
    },
    register(fd, start, byteLength) {
      const words = BigUint64Array.of(BigInt(start), BigInt(byteLength), UFFDIO_REGISTER_MODE_WP, 0n)
      control('UFFDIO_REGISTER', fd, words)
    },
    unregister(fd, start, byteLength) {
      control('UFFDIO_UNREGISTER', fd, BigUint64Array.of(BigInt(start), BigInt(byteLength)))
    },
    writeProtect(fd, start, byteLength) {
      const words = BigUint64Array.of(BigInt(start), BigInt(byteLength), UFFDIO_WRITEPROTECT_MODE_WP)
      control('UFFDIO_WRITEPROTECT', fd, words)
    },
    scanWritten(pagemapFd, start, end, vector) {
      const words = BigUint64Array.of(
        96n, // size of this struct
        PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
        BigInt(start),
        BigInt(end),
        0n, // walk_end, the kernel's answer
        BigInt(memmove(vector, vector, 0)),
        BigInt(Math.floor(vector.length / REGION_WORDS)),
        0n, // max_pages: no limit
        0n, // category_inverted
        PAGE_IS_WRITTEN, // category_mask: pages that have all of these
        0n, // category_anyof_mask
        PAGE_IS_WRITTEN, // return_mask
      )
      const regionCount = control('PAGEMAP_SCAN', pagemapFd, words)
      return { regionCount, walkEnd: Number(words[4]) }
    },
    close: (fd) => void closeFd(fd),
  }

  function openEither(): number {
    try {
      return newFromDevice()
    } catch (deviceError) {
      try {
        return newFromSyscall()
      } catch (syscallError) {
        const reasons = [deviceError, syscallError].map((error) => (error as Error).message)
        throw new GodwitError('internal', reasons.join(' '), { cause: syscallError })
      }
    }
  }
}

/** What usually helps, by errno name, for whoever reads the report. */
const ADVICE: Readonly<Record<string, string>> = {
  EPERM:
    'give the process /dev/userfaultfd (docker run --device /dev/userfaultfd) or CAP_SYS_PTRACE, or use the compare tracker',
  EACCES: 'let this user read and write /dev/userfaultfd, or use the compare tracker',
  ENOENT: 'the kernel has no such device; load it, or use the compare tracker',
  ENOSYS: 'the kernel was built without userfaultfd; use the compare tracker',
  EINVAL: 'the kernel may be older than 6.7 (6.10 on arm64); use the compare tracker',
  ENOTTY: 'the kernel may be older than 6.7; use the compare tracker',
  ENOMEM: 'the host is out of memory or of memory mappings (sysctl vm.max_map_count)',
  EMFILE: 'the process has too many open files (ulimit -n)',
}

/** An error of a call as a GodwitError: `out-of-memory` for ENOMEM, else `internal`. */
export function kernelError(callName: string, errno: number): GodwitError {
  const name = Object.entries(osConstants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`
  const advice = ADVICE[name]
  return new GodwitError(
    name === 'ENOMEM' ? 'out-of-memory' : 'internal',
    `${callName} failed with ${name} (${errno})${advice === undefined ? '' : `: ${advice}`}.`,
  )
}
