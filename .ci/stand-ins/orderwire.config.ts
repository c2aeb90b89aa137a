import { defineConfig } from 'orderwire'

/** One simulated vendor and one endpoint, beside each other on the network of compose. */
export default defineConfig({
  sandbox: { port: 8790, speed: 20 },
  connections: [
    {
      id: 'kk',
      vendor: 'kakaclo',
      baseUrl: 'http://127.0.0.1:8790/kakaclo/openapi',
      apiVersion: 'v2',
      token: 'sandbox-kakaclo-token',
      pollEvery: '1s',
    },
  ],
  endpoints: [{ id: 'receiver', url: 'http://receiver:9000/' }],
  network: { allow: ['172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'] },
})
