import { type Kysely, sql } from 'kysely'
import { AppError } from '../../lib/errors.ts'
import { LEASE_LOST, type Lease, type LeaseStore } from '../port/leases.ts'
import type { Sql, SqlDialect } from './sql.ts'
import type { Schema } from './tables.ts'

export function leaseStore({ db, dialect }: Sql): LeaseStore {
  return {
    list: async () => {
      const { rows } = await sql<{ name: string; owner: string; epoch: number; expires_at: number }>`
        select name, owner, epoch, expires_at from leases where owner is not null order by name`.execute(db)
      return rows.map(({ expires_at, ...lease }) => ({ ...lease, expiresAt: expires_at === 0 ? null : expires_at }))
    },

    acquire: async (name, owner, ttlMs, now) => {
      const current = dialect.leaseNow(now)
      const { rows } = await sql<{ epoch: number }>`
        insert into leases (name, owner, epoch, expires_at) values (${name}, ${owner}, 1, ${current} + ${ttlMs})
        on conflict (name) do update set
          epoch = case when leases.owner = excluded.owner then leases.epoch else leases.epoch + 1 end,
          owner = excluded.owner, expires_at = excluded.expires_at
        where leases.owner is null or leases.owner = excluded.owner or leases.expires_at <= ${current}
        returning epoch`.execute(db)
      const [row] = rows
      return row ? { name, owner, epoch: row.epoch } : null
    },

    renew: async ({ name, owner, epoch }, ttlMs, now) => {
      const { numAffectedRows } = await sql`
        update leases set expires_at = ${dialect.leaseNow(now)} + ${ttlMs}
        where name = ${name} and owner = ${owner} and epoch = ${epoch}`.execute(db)
      return numAffectedRows === 1n
    },

    release: async ({ name, owner, epoch }) => {
      await sql`
        update leases set owner = null, expires_at = 0
        where name = ${name} and owner = ${owner} and epoch = ${epoch}`.execute(db)
    },

    takeOver: async (name, owner) => {
      const { rows } = await sql<{ epoch: number }>`
        insert into leases (name, owner, epoch, expires_at) values (${name}, ${owner}, 1, 0)
        on conflict (name) do update set epoch = leases.epoch + 1, owner = excluded.owner, expires_at = 0
        returning epoch`.execute(db)
      return { name, owner, epoch: rows[0]?.epoch ?? 0 }
    },
  }
}

/**
 * Call it first in every transaction that writes under a lease. Rejects if the lease is no longer ours. Else it stays ours until the
 * transaction ends, because another process that wants it waits for the row.
 */
export async function holdLease(trx: Kysely<Schema>, dialect: SqlDialect, lease: Lease): Promise<void> {
  const { rows } = await sql`
    select 1 from leases where name = ${lease.name} and owner = ${lease.owner} and epoch = ${lease.epoch}
    ${dialect.forShare}`.execute(trx)
  if (rows.length === 0)
    throw new AppError(
      `The lease "${lease.name}" (epoch ${lease.epoch}) has passed to another process; nothing was written.`,
      {
        code: LEASE_LOST,
        intent: 'stop',
      },
    )
}
