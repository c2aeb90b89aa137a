import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './temp.ts'

/** A small disk of the test's own, which can be filled, emptied and enlarged while a program works on it. */
export interface TightDisk {
  /** Where it is mounted. */
  readonly path: string
  /** As made. */
  readonly mebibytes: number
  /** Fills it with a file of ours to the last byte, but for so much. */
  fill(leaveKiB?: number): void
  /** Takes that file away. */
  free(): void
  /** Makes the disk itself larger. */
  enlarge(mebibytes: number): void
  remove(): Promise<void>
}

const BLOCK = Buffer.alloc(4096, 1)

/** null where nobody may mount, after saying so: that takes root, and in a container the right to (CAP_SYS_ADMIN). */
export async function tightDisk(mebibytes: number): Promise<TightDisk | null> {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'disk')
  mkdirSync(path)
  // A database server runs as another user.
  chmodSync(folder.path, 0o711)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'none', path], { stdio: 'pipe' })
  } catch (error) {
    await folder.remove()
    const [reason] = String(error instanceof Error ? error.message : error)
      .split('\n')
      .slice(-2)
    console.warn(`SKIPPED: a full disk needs a small one to be mounted, and that is not possible here (${reason})`)
    return null
  }
  const unmount = () => execFileSync('umount', ['--lazy', path])
  process.once('exit', unmount)
  const ballast = join(path, 'ballast')
  return {
    path,
    mebibytes,
    fill(leaveKiB = 0) {
      const file = openSync(ballast, 'a')
      let written = 0
      try {
        for (;;) written += writeSync(file, BLOCK)
      } catch {
        // It is full.
      }
      if (leaveKiB > 0) ftruncateSync(file, Math.max(0, written - leaveKiB * 1024))
      closeSync(file)
    },
    free: () => rmSync(ballast, { force: true }),
    enlarge: to => void execFileSync('mount', ['-o', `remount,size=${to}m`, path]),
    async remove() {
      process.off('exit', unmount)
      unmount()
      await folder.remove()
    },
  }
}
