import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { type Desk, type Row, type SandboxEnv, timeOf } from './desk.ts'
import type { ShoplazzaDesk } from './shoplazza.ts'
import { sendWebhook } from './webhook.ts'

/**
 * `/admin`: controls the simulated vendors from outside the process, for tests. JSON in and out.
 * - `PUT|PATCH|GET|DELETE /admin/{vendor}/orders/{id}`, `PUT|GET|DELETE /admin/{vendor}/orders` (PUT: a list of rows)
 * - `POST|DELETE /admin/{vendor}/faults`, `GET|PATCH /admin/{vendor}/switches`, `GET|DELETE /admin/{vendor}/requests`
 * - `PUT /admin/shoplazza/refunds/{orderId}` (a list of records), `POST /admin/shoplazza/webhooks`
 */

const RowBody = z.record(z.string(), z.unknown())
const RowsBody = z.array(RowBody)

const FaultBody = z.strictObject({
  match: z.string().optional(),
  after: z.number().int().min(0).optional(),
  times: z.number().int().min(1).optional(),
  status: z.number().int().min(200).max(599).optional(),
  headers: z.record(z.string(), z.string()).optional(),
  body: z.unknown().optional(),
  delayMs: z.number().min(0).optional(),
  reset: z.boolean().optional(),
  truncate: z.number().int().min(0).optional(),
  merge: RowBody.optional(),
})

const Limit = z.strictObject({ perSecond: z.number().positive(), burst: z.number().int().min(1) })
const SwitchesBody = z.strictObject({
  limits: Limit.nullable().optional(),
  clockOffsetMs: z.number().optional(),
  sort: z.enum(['newest', 'oldest']).optional(),
  tokens: z.boolean().optional(),
  wrap: z.boolean().optional(),
  ids: z.boolean().optional(),
  deepest: z.number().int().min(1).optional(),
  tokenTtlMs: z.number().int().min(0).optional(),
  missing: z.enum(['error', 'null']).optional(),
  bare: z.boolean().optional(),
})

const WebhookBody = z.strictObject({
  url: z.url(),
  topic: z.string().optional(),
  orderId: z.string().optional(),
  body: z.unknown().optional(),
  secret: z.string().optional(),
  deduplicationId: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
})

/** Members that are undefined count as absent. */
const tidy = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  JSON.parse(JSON.stringify(value))

export function createAdmin(desks: { shoplazza: ShoplazzaDesk } & Record<string, Desk>): Hono<SandboxEnv> {
  const app = new Hono<SandboxEnv>()
  const deskOf = (c: Context): Desk | undefined => desks[c.req.param('vendor') ?? '']
  const done = (c: Context): Response => c.body(null, 204)
  const none = (c: Context): Response => c.json({ error: 'there is no such vendor or order' }, 404)

  /** The owner and the place in the lists, from the query. */
  const placeOf = (c: Context) => {
    const [owner, updatedAt] = [c.req.query('owner'), timeOf(c.req.query('updatedAt'))]
    return { ...(owner && { owner }), ...(updatedAt !== null && { updatedAt }) }
  }

  app.onError((error, c) => c.json({ error: error.message }, 400))

  app.put('/:vendor/orders/:id', async c => {
    const desk = deskOf(c)
    if (desk === undefined) return none(c)
    const row = await c.req.text()
    RowBody.parse(JSON.parse(row))
    desk.put(c.req.param('id'), row, placeOf(c))
    return done(c)
  })
  app.put('/:vendor/orders', async c => {
    const desk = deskOf(c)
    if (desk === undefined) return none(c)
    for (const row of RowsBody.parse(await c.req.json())) desk.put(String(row.id ?? row.order_id), row, placeOf(c))
    return done(c)
  })
  app.patch('/:vendor/orders/:id', async c => {
    const changes: Row = RowBody.parse(await c.req.json())
    return deskOf(c)?.patch(c.req.param('id'), changes) ? done(c) : none(c)
  })
  app.get('/:vendor/orders/:id', c => {
    const entry = deskOf(c)?.shelf.get(c.req.param('id'))
    return entry === undefined ? none(c) : c.body(entry.json, 200, { 'content-type': 'application/json' })
  })
  app.get('/:vendor/orders', c => {
    const desk = deskOf(c)
    if (desk === undefined) return none(c)
    const ids = desk.shelf.window(0, Infinity).map(entry => entry.id)
    return c.json({ size: desk.shelf.size(), newest: ids.slice(-100).toReversed() })
  })
  app.delete('/:vendor/orders/:id', c => (deskOf(c)?.remove(c.req.param('id')) ? done(c) : none(c)))
  app.delete('/:vendor/orders', c => {
    deskOf(c)?.clear()
    return deskOf(c) === undefined ? none(c) : done(c)
  })

  app.post('/:vendor/faults', async c => {
    const fault = tidy(FaultBody.parse(await c.req.json()))
    deskOf(c)?.fault(fault)
    return deskOf(c) === undefined ? none(c) : done(c)
  })
  app.delete('/:vendor/faults', c => {
    deskOf(c)?.faults.clear()
    return deskOf(c) === undefined ? none(c) : done(c)
  })

  app.get('/:vendor/switches', c => {
    const desk = deskOf(c)
    return desk === undefined ? none(c) : c.json(desk.switches)
  })
  app.patch('/:vendor/switches', async c => {
    const desk = deskOf(c)
    if (desk === undefined) return none(c)
    desk.turn(tidy(SwitchesBody.parse(await c.req.json())))
    return c.json(desk.switches)
  })

  app.get('/:vendor/requests', c => {
    const desk = deskOf(c)
    return desk === undefined ? none(c) : c.json({ counts: desk.counts(), requests: desk.requests() })
  })
  app.delete('/:vendor/requests', c => {
    deskOf(c)?.forgetRequests()
    return deskOf(c) === undefined ? none(c) : done(c)
  })

  app.put('/shoplazza/refunds/:id', async c => {
    desks.shoplazza.putRefunds(c.req.param('id'), RowsBody.parse(await c.req.json()))
    return done(c)
  })
  app.post('/shoplazza/webhooks', async c =>
    c.json(await sendWebhook(desks.shoplazza, tidy(WebhookBody.parse(await c.req.json())))),
  )

  app.all('*', c => c.json({ error: 'there is no such admin route' }, 404))
  return app
}
