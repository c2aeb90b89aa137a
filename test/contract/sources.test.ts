import { type OrderFact, type SimulatedVendor, testSource } from 'orderwire/testing'
import { describe, test } from 'vitest'
import { KAKACLO_TOKEN } from '../../src/sandbox/kakaclo.ts'
import { SHOPLAZZA_TOKEN, SHOPLAZZA_WEBHOOK_SECRET } from '../../src/sandbox/shoplazza.ts'
import { TUYA_CLIENT_SECRET } from '../../src/sandbox/tuya.ts'
import { kakaclo as kakacloSource } from '../../src/sources/kakaclo/kakaclo.ts'
import { rest as restSource } from '../../src/sources/rest/rest.ts'
import { shoplazza as shoplazzaSource } from '../../src/sources/shoplazza/shoplazza.ts'
import { tuya as tuyaSource } from '../../src/sources/tuya/tuya.ts'
import { kakaclo, shoplazza, tuya, woocommerce } from './simulated-vendors.ts'

/** The suite that `orderwire/testing` gives to authors, on our own sources. */

const ALL: readonly OrderFact[] = ['paid', 'shipped', 'delivered', 'refunded', 'cancelled']
const personal = ['Test Buyer', 'Test Street', 'Pia', 'canary']

describe.each([
  ['Kakaclo v1', kakacloSource, kakaclo('v1'), ['paid', 'shipped', 'cancelled'], [KAKACLO_TOKEN]],
  ['Kakaclo v2', kakacloSource, kakaclo('v2'), ALL, [KAKACLO_TOKEN]],
  ['Tuya', tuyaSource, tuya, ['paid', 'shipped', 'delivered', 'cancelled'], [TUYA_CLIENT_SECRET]],
  ['Shoplazza 2022-01', shoplazzaSource, shoplazza('2022-01'), ALL, [SHOPLAZZA_TOKEN, SHOPLAZZA_WEBHOOK_SECRET]],
  ['Shoplazza 2025-06', shoplazzaSource, shoplazza('2025-06'), ALL, [SHOPLAZZA_TOKEN, SHOPLAZZA_WEBHOOK_SECRET]],
  ['WooCommerce by configuration', restSource, woocommerce, ['paid', 'refunded', 'cancelled'], ['cs_test']],
] as const)('%s:', (_, source, open: () => Promise<SimulatedVendor>, proves, secrets) => {
  testSource({ test, source, open, proves, secrets, personal })
})
