import type { Admin, Kafka } from 'kafkajs'

export interface AdminHolder {
  /** Runs `use` with a connected admin client; after a failure the next call gets a new one. */
  use<T>(use: (admin: Admin) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export function adminHolder(client: () => Kafka): AdminHolder {
  let held: Promise<Admin> | null = null

  async function connect(): Promise<Admin> {
    const admin = client().admin()
    try {
      await admin.connect()
      return admin
    } catch (error) {
      void admin.disconnect().catch(() => {})
      throw error
    }
  }

  async function drop(): Promise<void> {
    const old = held
    held = null
    await old?.then(admin => admin.disconnect()).catch(() => {})
  }

  return {
    async use(use) {
      held ??= connect()
      const mine = held
      try {
        return await use(await mine)
      } catch (error) {
        if (held === mine) void drop()
        throw error
      }
    },
    close: drop,
  }
}
