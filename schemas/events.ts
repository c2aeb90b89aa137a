import { z } from 'zod'
import { OrderEvent } from './order-event.ts'

/**
 * `orderwire/events`: what orderwire publishes, for services that receive it. Types, zod schemas and JSON Schema of the same shapes.
 * Version 1 may get new optional members and new types: ignore types you do not know.
 */
export * from './order-event.ts'

/** JSON Schema (2020-12) of the event. */
export const orderEventJsonSchema = (): Record<string, unknown> => z.toJSONSchema(OrderEvent)
