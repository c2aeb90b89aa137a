/** What the package exports for a configuration, for handlers and for sources. Subscribers use `orderwire/events` and `orderwire/receiver`. */
export type { ConfigInput } from '../schemas/config.ts'
export type { EventOf, EventType, OrderEvent } from '../schemas/order-event.ts'
export { defineConfig, fromEnvironment } from './config/define-config.ts'
export { defineHandler, GiveUp, type Handler, type HandlerContext } from './destinations/handlers/define-handler.ts'
