import { z } from 'zod'
import { Currency } from '../common.ts'
import { connectionSchema, HeaderText, Secret, type VendorOptions } from '../connection.ts'
import { REST } from './rest.ts'

/** How connections to the vendors that orderwire knows by itself are written. */

export const KAKACLO = {
  vendor: 'kakaclo',
  config: z.object({
    apiVersion: z.enum(['v1', 'v2']).default('v2'),
    token: HeaderText,
    currency: Currency.default('USD').describe('V1 names no currency'),
  }),
} as const satisfies VendorOptions
export const KakacloConnection = connectionSchema(KAKACLO)
export type KakacloConnection = z.output<typeof KakacloConnection>

const Statuses = z.strictObject({
  paid: z.array(z.string()).default([]),
  shipped: z.array(z.string()).default([]),
  delivered: z.array(z.string()).default([]),
  refunded: z.array(z.string()).default([]),
})

export const TUYA = {
  vendor: 'tuya',
  config: z.object({
    clientId: HeaderText,
    clientSecret: Secret,
    mallCode: z.string().min(1),
    shopCode: z.string().min(1),
    statuses: Statuses.default({ paid: [], shipped: [], delivered: [], refunded: [] }),
  }),
} as const satisfies VendorOptions
export const TuyaConnection = connectionSchema(TUYA)
export type TuyaConnection = z.output<typeof TuyaConnection>

const SHOPLAZZA_VERSION = /^\d{4}-\d{2}$/

/** The API version that a base URL of Shoplazza ends with, or has in it; null: none. */
export const shoplazzaVersionIn = (baseUrl: string): string | null =>
  URL.parse(baseUrl)
    ?.pathname.split('/')
    .findLast(segment => SHOPLAZZA_VERSION.test(segment)) ?? null

const ShoplazzaOptions = z.object({
  apiVersion: z
    .string()
    .regex(SHOPLAZZA_VERSION, 'a version such as "2022-01"')
    .optional()
    .describe('default: read from the base URL'),
  accessToken: HeaderText,
  webhookSecret: z
    .union([Secret, z.array(Secret).min(1).max(10)], { error: 'a secret, or a list of them while one is rotated' })
    .optional()
    .describe('to take webhooks; a list while it is rotated: a signature by any of them counts'),
})

export const SHOPLAZZA = {
  vendor: 'shoplazza',
  config: ShoplazzaOptions,
  validate: ({ apiVersion, baseUrl }) =>
    apiVersion === undefined && shoplazzaVersionIn(baseUrl) === null
      ? { key: 'apiVersion', expected: 'an API version such as "2022-01", here or at the end of `baseUrl`' }
      : null,
} as const satisfies VendorOptions<'shoplazza', typeof ShoplazzaOptions.shape>
export const ShoplazzaConnection = connectionSchema(SHOPLAZZA)
export type ShoplazzaConnection = z.output<typeof ShoplazzaConnection>

export const RestConnection = connectionSchema(REST)
export type RestConnection = z.output<typeof RestConnection>

export const BUILT_IN = [KakacloConnection, TuyaConnection, ShoplazzaConnection, RestConnection] as const
