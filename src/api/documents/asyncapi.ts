import { OrderEvent } from '../../../schemas/order-event.ts'
import { createSchemaCollector, type JsonSchema } from './json-schema.ts'
import { API_VERSION } from './openapi.ts'

/** The AsyncAPI 3 document of the topic. */
export function asyncApi(): JsonSchema {
  const collector = createSchemaCollector({ target: 'draft-07', refPrefix: '#/components/schemas/' })
  const payload = collector.schema(OrderEvent)
  return {
    asyncapi: '3.0.0',
    id: 'urn:orderwire:order-events',
    info: {
      title: 'orderwire',
      version: API_VERSION,
      description: 'What has provably happened to orders, each fact once per id, in order per order.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {
      'order-events': {
        address: 'order-events',
        title: 'Order events',
        description: 'One partition per order; within it in order. Duplicates carry the same id.',
        messages: { orderEvent: { $ref: '#/components/messages/orderEvent' } },
        bindings: { kafka: { topic: 'order-events', bindingVersion: '0.5.0' } },
      },
    },
    operations: {
      publishOrderEvent: {
        action: 'send',
        summary: 'orderwire publishes each event once its fact is stored',
        channel: { $ref: '#/channels/order-events' },
        messages: [{ $ref: '#/channels/order-events/messages/orderEvent' }],
      },
    },
    components: {
      messages: {
        orderEvent: {
          name: 'orderEvent',
          title: 'Order event, version 1',
          summary: 'CloudEvents 1.0, structured mode',
          contentType: 'application/cloudevents+json; charset=utf-8',
          headers: {
            type: 'object',
            required: ['content-type', 'ce_id', 'ce_type'],
            properties: {
              'content-type': { type: 'string', const: 'application/cloudevents+json; charset=utf-8' },
              ce_id: { type: 'string', description: "the event's id" },
              ce_type: { type: 'string', description: "the event's type" },
            },
          },
          payload,
          bindings: {
            kafka: {
              key: { type: 'string', description: 'the `partitionkey`: connection/orderId' },
              bindingVersion: '0.5.0',
            },
          },
        },
      },
      schemas: collector.named(),
    },
  }
}
