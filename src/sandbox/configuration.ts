/** The configuration that `orderwire init` writes where no shop is named: the simulated ones. */
export const SANDBOX_CONFIGURATION = `import { defineConfig } from 'orderwire'

/** Three simulated shops on this machine. For your own shop replace the connections and delete \`sandbox\`. */
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
  // Webhook endpoints may be on this machine while you try things out. Delete this in production.
  network: { allow: ['127.0.0.0/8', '::1/128'] },
})
`
