import { DATA_SCHEMA, OrderEvent } from '../../../schemas/order-event.ts'
import { createSchemaCollector, type JsonSchema } from './json-schema.ts'

/** JSON Schema 2020-12 of the event. It allows further members, because version 1 may get some. */
export function eventSchema(): JsonSchema {
  const collector = createSchemaCollector({ target: 'draft-2020-12', refPrefix: '#/$defs/' })
  collector.schema(OrderEvent)
  const { OrderEvent: event, ...definitions } = collector.named()
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: DATA_SCHEMA,
    title: 'Order event, version 1',
    description: 'CloudEvents 1.0 in structured mode.',
    ...event,
    $defs: definitions,
  }
}
