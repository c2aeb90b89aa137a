/** What `import … from 'orderwire'` gives to configurations and handlers. */
export type { ConfigInput } from '../schemas/config.ts'
export type { EventOf, EventType, OrderEvent } from '../schemas/order-event.ts'
export { defineConfig } from './define-config.ts'
export { defineHandler, GiveUp, type Handler, type HandlerContext } from './dispatch/handler.ts'
