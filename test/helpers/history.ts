import { OrderEvent } from '../../schemas/order-event.ts'
import type { Program } from './program.ts'

/** The whole history, as the API tells it. */
export async function history(api: Program): Promise<OrderEvent[]> {
  const events: OrderEvent[] = []
  for (let after = ''; ; ) {
    const { body } = await api.get(`/v1/events?limit=250${after && `&after=${after}`}`)
    const page = body as { data: unknown[]; next: string | null }
    events.push(...page.data.map(event => OrderEvent.parse(event)))
    if (page.next === null) return events
    after = page.next
  }
}
