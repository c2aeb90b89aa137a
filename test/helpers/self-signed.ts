import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate for `localhost` that nobody has vouched for, made on the spot, and its key; both PEM. */
export function selfSigned(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const ed25519 = sequence(der(0x06, Buffer.from([0x2b, 0x65, 0x70])))
  const commonName = sequence(der(0x06, Buffer.from([0x55, 0x04, 0x03])), der(0x0c, Buffer.from('localhost')))
  const name = sequence(der(0x31, commonName))
  const validity = sequence(...['20200101000000Z', '20991231235959Z'].map(time => der(0x18, Buffer.from(time))))
  const serial = der(0x02, Buffer.from([1]))
  const body = sequence(serial, ed25519, name, validity, name, publicKey.export({ type: 'spki', format: 'der' }))
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign(null, body, privateKey)]))
  const base64 = sequence(body, ed25519, signature).toString('base64').replace(/.{64}/g, '$&\n')
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
