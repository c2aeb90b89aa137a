import { z } from 'zod'
import type { CommandContext, Flags } from './command.ts'
import { all, query, segment } from './listing.ts'
import { failed, usage } from './usage.ts'

export interface OrderPlace {
  readonly connection: string
  readonly orderId: string
}

const Ids = z.looseObject({ id: z.string() })
const Place = z.looseObject({ connection: z.string(), orderId: z.string() })
const Places = z.looseObject({ data: z.array(z.unknown()) })

type Lookup = Pick<CommandContext, 'client' | 'signal'>

/** The orders that a number or the vendor's order id means; rejects where there is none. */
export async function findOrders(context: Lookup, order: string, connection?: string): Promise<OrderPlace[]> {
  const { client } = context
  const connections: string[] = []
  if (connection !== undefined) connections.push(connection)
  else for await (const one of all(context, '/v1/connections')) connections.push(client.read(Ids, one).id)

  const found: OrderPlace[] = []
  const add = (place: OrderPlace) => {
    if (!found.some(one => one.connection === place.connection && one.orderId === place.orderId)) found.push(place)
  }
  for (const id of connections) {
    const answer = await client.find(`/v1/orders/${segment(id)}/${segment(order)}`)
    if (answer !== null) add(client.read(z.looseObject({ order: Place }), answer).order)
  }
  if (found.length > 0) return found
  const numbered = await client.find(`/v1/orders${query({ number: order, connection })}`)
  if (numbered !== null)
    for (const one of client.read(Places, numbered).data) {
      const { connection, orderId } = client.read(Place, one)
      add({ connection, orderId })
    }
  if (found.length > 0) return found
  const where = connection === undefined ? '' : ` on the connection "${connection}"`
  throw failed(
    `There is no order "${order}"${where}: no order with this number or id was read. Read it now: orderwire poll CONNECTION --order ID`,
  )
}

/** The one order that is meant; rejects where several connections have one. */
export async function findOrder(context: Lookup, order: string, connection?: string): Promise<OrderPlace> {
  const [first, ...others] = await findOrders(context, order, connection)
  if (first && others.length === 0) return first
  const places = [first, ...others].flatMap(one => (one ? [`${one.connection}/${one.orderId}`] : []))
  throw failed(`"${order}" means several orders: ${places.join(', ')}. Name one with --connection and its order id.`)
}

/** The vendor's order id that `--order` means, for calls that filter by it; undefined where no order is named. */
export async function orderIdOf(context: Lookup, { order, connection }: Flags): Promise<string | undefined> {
  if (typeof order !== 'string') return undefined
  const chosen = Array.isArray(connection) && connection.length === 1 ? connection[0] : undefined
  const ids = new Set((await findOrders(context, order, chosen)).map(({ orderId }) => orderId))
  const [id, ...others] = ids
  if (others.length > 0)
    throw usage(`--order: "${order}" is the number of several orders: ${[...ids].join(', ')}. Name one by its id.`)
  return id
}
