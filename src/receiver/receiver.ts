/** `orderwire/receiver`: for services that subscribe to webhooks. No dependency, no Node built-in: it runs wherever Web Crypto does. */
export { createInbox, type Inbox, type InboxEntry, type InboxEvent, type InboxStore, type Receipt } from './inbox.ts'
export { createMemoryStore } from './memory-store.ts'
export { createSqlStore, type Query, type SqlStore, type SqlStoreOptions } from './sql-store.ts'
export {
  type RawRequest,
  type TestEvent,
  type VerifyOptions,
  verifyWebhook,
  WebhookError,
  type WebhookErrorCode,
} from './verify-webhook.ts'
