import { execFileSync } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts'
import { configure, type Program, startProgram } from '../helpers/program.ts'
import { createReceiver, type Receiver } from '../helpers/receiver.ts'
import { connectionsTo, createShop } from '../helpers/shop.ts'
import { temporaryFolder } from '../helpers/temp.ts'
import { until } from '../helpers/until.ts'

/** The program as deploy/kubernetes runs it: user 10001, no capability, a read-only root, and two folders to write to. */

const root = join(import.meta.dirname, '../..')

/**
 * A mount namespace of its own. The repository and the configuration lie in folders that any user may enter; what follows are the program and
 * its arguments, of which the first two are node and main.ts.
 */
const confine = (folder: string) => `
set -e
mount --make-rprivate /
mount --bind ${root} /mnt
mount --bind ${folder} /srv
mount -t tmpfs -o size=64m,uid=10001,mode=0700 tmpfs /media
mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
mount -o remount,bind,ro /mnt
mount -o remount,bind,ro /srv
mount -o remount,bind,ro /
cd /srv
case $1 in ${root}/*) node=/mnt/\${1#${root}/} ;; *) node=$1 ;; esac
shift 2
exec setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \\
  "$node" /mnt/src/main.ts "$@"
`

/** Mounting takes root, and in a container the right to (CAP_SYS_ADMIN). */
function mayMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'sh', '-c', 'mount --make-rprivate / && mount -t tmpfs none /mnt'], {
      stdio: 'pipe',
    })
    return true
  } catch {
    console.warn('SKIPPED: a read-only root needs the right to mount, which is not there')
    return false
  }
}

describe.skipIf(!mayMount())('as another user on a read-only root', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let sandbox: Sandbox
  let receiver: Receiver
  let program: Program

  beforeAll(async () => {
    folder = await temporaryFolder()
    await chmod(folder.path, 0o755)
    sandbox = await createSandbox({ port: 0, clock: systemClock(), lapse: false, limits: false })
    receiver = await createReceiver()
    await configure(folder.path, {
      connections: connectionsTo(sandbox),
      endpoints: [{ id: 'billing', url: receiver.url }],
      network: { allow: ['127.0.0.0/8'] },
    })
    const under = ['unshare', '--mount', 'sh', '-c', confine(folder.path), 'sh']
    program = await startProgram(folder.path, { ORDERWIRE_DATA: '/media/data' }, [], { under, withinMs: 60_000 })
  })
  afterAll(async () => {
    if (program.child.exitCode === null) await program.end('SIGKILL')
    await Promise.all([sandbox.close(), receiver.close(), folder.remove()])
  })

  test('it polls, delivers, is ready, and stops cleanly', async () => {
    const status = execFileSync('cat', [`/proc/${program.child.pid}/status`], { encoding: 'utf8' })
    expect(status).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m)
    expect(status).toMatch(/^CapBnd:\t0+$/m)
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    const inside = ['--mount', `--target=${program.child.pid}`, 'touch', '/there']
    expect(() => execFileSync('nsenter', inside, { stdio: 'pipe' })).toThrow('Read-only file system')
    const shop = createShop(sandbox, 5)
    for (let n = 0; n < 4; n++) shop.open()
    for (let n = 0; n < 8; n++) shop.move()
    await until('an event is delivered', () => receiver.received.length > 0)
    expect((await program.get('/readyz')).status).toBe(200)
    expect(await program.end('SIGTERM')).toBe(0)
    expect(program.output()).not.toMatch(/EROFS|EACCES|EPERM/)
  })
})
