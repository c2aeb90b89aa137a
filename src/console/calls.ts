import { Context } from 'hono'
import { mayCall } from '../api/auth/authenticate.ts'
import type { ConsoleParts } from '../api/deps.ts'
import { Refusal } from '../api/problem.ts'
import type { Visit } from './page.ts'
import type { Viewer } from './sessions.ts'

/**
 * The API's own calls for a page: the same rules, checks and messages as over HTTP, and without it. A viewer may call what its role may; a
 * subscriber may call nothing, its pages check for themselves.
 */
export function createCalls({ api }: Pick<ConsoleParts, 'api'>) {
  return (c: Context, viewer: Viewer): Pick<Visit, 'call' | 'stream'> => {
    function routeOf(name: string) {
      const [method, path] = name.split(' ')
      const route = api.find(one => one.method === method && one.path === path)
      if (!route) throw new Error(`the API has no call ${name}`)
      if (!mayCall(viewer.role, route.access))
        throw new Refusal(403, `This needs the role "${route.access}"; yours is "${viewer.role ?? 'subscriber'}".`)
      return route
    }

    return {
      async call(schema, name, input = {}) {
        const answer = await routeOf(name).answer({ c, ...input })
        const text = await answer.text()
        return schema.parse(text === '' ? null : JSON.parse(text))
      },
      // A request of its own: the page's ends with its answer.
      stream: async name => routeOf(name).answer({ c: new Context(new Request(c.req.url)) }),
    }
  }
}
