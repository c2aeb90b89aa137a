import type { Config } from '../../schemas/config.ts'
import type { ForwardProxy, Proxies } from '../lib/forward-proxy.ts'
import { wrong } from './config-error.ts'

/** Simulated vendors and receivers on this machine are reached directly. */
const LOOPBACK = ['localhost', '127.0.0.0/8', '::1']

/**
 * `network.proxy` of the configuration is for all outgoing requests. Without it, `HTTPS_PROXY` and `NO_PROXY` count, for vendors only: they
 * are set for a whole machine, and a proxy that leads to vendors need not lead to receivers in the own network.
 */
export function proxiesOf({ network, sandbox }: Config, env: NodeJS.ProcessEnv): Proxies {
  const here = sandbox ? LOOPBACK : []
  if (network.proxy) {
    const { url, except } = network.proxy
    const proxy: ForwardProxy = { url: new URL(url), except: [...except, ...here], httpsOnly: false }
    return { vendors: proxy, webhooks: proxy }
  }
  const given = env.https_proxy?.trim() || env.HTTPS_PROXY?.trim()
  if (!given) return { vendors: null, webhooks: null }
  const text = given.includes('://') ? given : `http://${given}`
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw wrong('HTTPS_PROXY: expected the http:// or https:// URL of a forward proxy, found something else')
  const except = (env.no_proxy ?? env.NO_PROXY ?? '').split(/[\s,]+/).filter(Boolean)
  return { vendors: { url, except: [...except, ...here], httpsOnly: true }, webhooks: null }
}
