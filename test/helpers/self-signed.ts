import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate with this name that nobody has vouched for, made on the spot, and its key; both PEM. */
export function selfSigned(name = 'localhost'): { key: string; cert: string } {
  // Kafka reads no keys of newer kinds from PEM.
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(der(0x06, Buffer.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])))
  const commonName = sequence(der(0x06, Buffer.from([0x55, 0x04, 0x03])), der(0x0c, Buffer.from(name)))
  const names = sequence(der(0x31, commonName))
  const validity = sequence(...['20200101000000Z', '20991231235959Z'].map(time => der(0x18, Buffer.from(time))))
  const serial = der(0x02, Buffer.from([1]))
  const body = sequence(
    serial,
    ecdsaWithSha256,
    names,
    validity,
    names,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]))
  const base64 = sequence(body, ecdsaWithSha256, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  }
}

/** One ASN.1 value: tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: Buffer[]): Buffer => der(0x30, Buffer.concat(parts))
