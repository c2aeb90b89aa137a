/** What the package exports for a configuration, for handlers and for sources. Subscribers use `orderwire/events` and `orderwire/receiver`. */

export { z } from 'zod'
export type { ConfigInput } from '../schemas/config.ts'
export type { OrderSnapshot } from '../schemas/order.ts'
export type { EventOf, EventType, OrderEvent } from '../schemas/order-event.ts'
export { defineConfig, fromEnvironment } from './config/define-config.ts'
export { defineHandler, GiveUp, type Handler, type HandlerContext } from './destinations/handlers/define-handler.ts'
export { AppError } from './lib/errors.ts'
export { defineSource, type Source, type SourceDefinition, type SourceDeps } from './sources/define-source.ts'
export type { VendorHttp, VendorResponse } from './sources/shared/http.ts'
export type {
  FeedPage,
  FollowFeed,
  OrderRef,
  OrderSource,
  Page,
  ReadOptions,
  Reject,
  Simulated,
  WebhookNotice,
  WebhookReader,
  WebhookRequest,
  Window,
  WindowFeed,
} from './sources/source.ts'
