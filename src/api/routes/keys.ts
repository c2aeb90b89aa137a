import { hash, randomBytes } from 'node:crypto'
import { customAlphabet } from 'nanoid'
import { ApiKey, ApiKeyCreated, pageOf } from '../../../schemas/api.ts'
import { ApiKeyCreate, Paging } from '../../../schemas/api-requests.ts'
import { timestamp } from '../../lib/clock.ts'
import type { KeyRow } from '../../store/port/keys.ts'
import type { Keyring } from '../auth/keyring.ts'
import type { ApiDeps } from '../deps.ts'
import { noContent, reply } from '../json.ts'
import { pageById } from '../paging.ts'
import { notFound, Refusal } from '../problem.ts'
import { type Route, route } from '../route.ts'

const newId = customAlphabet('0123456789abcdefghijklmnopqrstuvwxyz', 12)

/** 192 bits cannot be guessed at any rate that a server can answer. */
const KEY_BYTES = 24
/** Every request compares with all of them. */
const MOST_KEYS = 200

/** `/v1/keys`: further keys besides ORDERWIRE_API_KEY, each with a role. */
export function keyRoutes({ store, clock, keyring }: Pick<ApiDeps, 'store' | 'clock'> & { keyring: Keyring }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/keys',
      access: 'admin',
      query: Paging,
      summary: 'All API keys',
      tag: 'keys',
      answers: { 200: { description: 'Without the keys themselves, which are kept nowhere', schema: pageOf(ApiKey) } },
      handle: async ({ query }) => reply(pageById('keys', query, (await store.keys.list()).map(keyView))),
    }),
    route({
      method: 'POST',
      path: '/v1/keys',
      access: 'admin',
      body: ApiKeyCreate,
      summary: 'Make an API key',
      description:
        '`read` may read everything; `write` may also poll, follow, replay, redrive, retry, pause and resume destinations, and test endpoints; `admin` may do everything. Other processes accept it within a few seconds.',
      tag: 'keys',
      answers: { 201: { description: 'The key, this once', schema: ApiKeyCreated } },
      problems: [409],
      async handle({ body: { name, role } }) {
        if ((await store.keys.list()).length >= MOST_KEYS)
          throw new Refusal(409, `There are ${MOST_KEYS} keys already; remove one that is not used.`)
        const key = `owk_${randomBytes(KEY_BYTES).toString('base64url')}`
        const digest = hash('sha256', key, 'base64url')
        const row: KeyRow = { id: newId(), name, role, digest, createdAt: clock.now(), lastUsedAt: null }
        await store.keys.insert(row)
        keyring.forget()
        return reply({ ...keyView(row), key }, 201)
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/keys/{id}',
      access: 'admin',
      summary: 'Remove an API key',
      description: 'It is refused at once here, and within a few seconds by other processes.',
      tag: 'keys',
      answers: { 204: { description: 'It is gone' } },
      problems: [404],
      async handle({ params: { id } }) {
        if (!(await store.keys.remove(id))) throw notFound('There is no key with this id.')
        keyring.forget()
        return noContent()
      },
    }),
  ]
}

const keyView = ({ id, name, role, createdAt, lastUsedAt }: KeyRow): ApiKey => ({
  id,
  name,
  role,
  createdAt: timestamp(createdAt),
  lastUsedAt: lastUsedAt === null ? null : timestamp(lastUsedAt),
})
