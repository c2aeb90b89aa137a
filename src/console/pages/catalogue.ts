import { EventType } from '../../../schemas/order-event.ts'
import { sampleEvent } from '../../order/sample-event.ts'
import { heading } from '../layout.ts'
import { foreignBlock, type Html, html } from '../markup.ts'
import { type PageDeps, type PageRoute, page } from '../page.ts'
import { membersTable } from '../schema-view.ts'
import { typeWords } from '../states.ts'
import { verificationSamples } from '../verification-samples.ts'

const WHEN: Readonly<Record<EventType, string>> = {
  'order.paid': 'Once for each order, as soon as the vendor shows that it is paid.',
  'order.shipped': 'Once for each package, as soon as the vendor shows that it left.',
  'order.shipment_updated':
    'When the carrier or the tracking number of a package that was published becomes known or changes; once for each pair.',
  'order.delivered': 'Once for each package, or once for the order where the vendor only says it of the whole.',
  'order.refunded': 'Once for each refund; once for each step of the total where the vendor gives only a total.',
  'order.cancelled': 'Once for each order, as soon as the vendor shows that it is cancelled.',
}

/** `/catalogue`: what events there are, for whoever receives them. */
export function cataloguePages({ store, config, clock }: PageDeps): PageRoute[] {
  /** The newest event of this type of each vendor. */
  async function samples(type: EventType): Promise<Html[]> {
    const byVendor = new Map(config.connections.map(({ id, vendor }) => [vendor, id]))
    const found = await Promise.all(
      [...byVendor].map(async ([vendor, connection]) => {
        const [newest] = await store.events.list(
          { types: [type], connections: [connection] },
          { limit: 1, newest: true },
        )
        if (!newest) return null
        const text = JSON.stringify(JSON.parse(newest.body), null, 2)
        return html`<details><summary>Newest of ${vendor}</summary>${foreignBlock(text, `Newest ${type} of ${vendor}`)}</details>`
      }),
    )
    return found.filter(one => one !== null)
  }

  return [
    page('/catalogue', async () => {
      const types = await Promise.all(EventType.options.map(async type => ({ type, samples: await samples(type) })))
      const body = html`${heading('Catalogue', html`<a class="button" href="/schemas/order-event-1.json">JSON Schema</a><a class="button" href="/schemas/order-event-1.d.ts" download>TypeScript types</a><a class="button" href="/asyncapi.json">AsyncAPI</a><a class="button" href="/openapi.json">OpenAPI</a>`)}
<p class="hint">One JSON document for each fact, the same bytes in webhooks, Kafka, handlers and the API. In TypeScript: <code>import type { OrderEvent } from 'orderwire/events'</code>.</p>
${types.map(
  ({
    type,
    samples,
  }) => html`<section class="panel" id="${type}"><h2>${typeWords(type)} <code class="hint">${type}</code></h2><p>${WHEN[type]}</p>
<details><summary>Sample</summary>${foreignBlock(JSON.stringify(JSON.parse(sampleEvent(type, dayOf(clock.now())).body), null, 2), `A sample of ${type}`)}</details>${samples}
<details><summary>Members, and when they are null</summary>${membersTable(type)}</details></section>`,
)}
<section class="panel"><h2>Check the signature</h2><p>Each delivery is signed as Standard Webhooks say. With the package: <code>verifyWebhook(request, secret)</code> of <code>orderwire/receiver</code>. Without it:</p>${verificationSamples().map(
        ([name, code]) =>
          html`<details><summary>${name}</summary>${foreignBlock(code, `Verification in ${name}`)}</details>`,
      )}</section>`
      return { title: 'Catalogue', section: '/catalogue', body }
    }),
  ]
}

const DAY_MS = 86_400_000
/** Samples stay the same for a day. */
const dayOf = (now: number): number => Math.floor(now / DAY_MS) * DAY_MS
