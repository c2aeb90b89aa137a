import type { Context } from 'hono'
import { mayCall } from '../api/auth/authenticate.ts'
import type { ConsoleParts } from '../api/deps.ts'
import { Refusal } from '../api/problem.ts'
import type { Visit } from './page.ts'
import type { Viewer } from './sessions.ts'

/**
 * The API's own calls for a page: the same rules, checks and messages as over HTTP, and without it. A viewer may call what its role may; a
 * subscriber may call nothing, its pages check for themselves.
 */
export const createCalls =
  ({ api }: Pick<ConsoleParts, 'api'>) =>
  (c: Context, viewer: Viewer): Visit['call'] =>
  async (schema, name, input = {}) => {
    const [method, path] = name.split(' ')
    const route = api.find(one => one.method === method && one.path === path)
    if (!route) throw new Error(`the API has no call ${name}`)
    if (!mayCall(viewer.role, route.access))
      throw new Refusal(403, `This needs the role "${route.access}"; yours is "${viewer.role ?? 'subscriber'}".`)
    const answer = await route.answer({ c, ...input })
    const text = await answer.text()
    return schema.parse(text === '' ? null : JSON.parse(text))
  }
