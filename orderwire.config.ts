import { defineConfig } from 'orderwire'

/**
 * Runs the sandbox: the three vendors, simulated on loopback, with a shop in time-lapse. Point `baseUrl` at the real thing, put your
 * own credentials in, and delete `sandbox`.
 */
export default defineConfig({
  sandbox: { port: 8790 },
  connections: [
    {
      id: 'kk',
      vendor: 'kakaclo',
      baseUrl: 'http://127.0.0.1:8790/kakaclo/openapi',
      apiVersion: 'v2',
      token: 'sandbox-kakaclo-token',
      pollEvery: '1s',
    },
    {
      id: 'tuya',
      vendor: 'tuya',
      baseUrl: 'http://127.0.0.1:8790/tuya',
      clientId: 'sandbox-tuya-id',
      clientSecret: 'sandbox-tuya-secret',
      mallCode: 'sandbox-mall',
      shopCode: 'sandbox-shop',
      statuses: { delivered: ['received'] },
      pollEvery: '2s',
    },
    {
      id: 'shop',
      vendor: 'shoplazza',
      baseUrl: 'http://127.0.0.1:8790/shoplazza/openapi/2022-01',
      accessToken: 'sandbox-shoplazza-token',
      webhookSecret: 'sandbox-shoplazza-secret',
      pollEvery: '1s',
    },
  ],
})
