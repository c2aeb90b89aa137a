import { resolve } from 'node:path'
import type { Config } from '../../schemas/config.ts'
import { messageOf } from '../lib/errors.ts'
import type { HostCertificates } from '../lib/host-certificates.ts'
import { checkTlsFiles } from '../lib/tls-files.ts'
import { wrong } from './config-error.ts'

/** `network.certificates`, with absolute paths. Throws if files cannot be read or do not fit together. */
export function certificatesOf({ network }: Config, folder: string): readonly HostCertificates[] {
  return network.certificates.map(({ hosts, ca, cert, key, keyPassword = null }, index) => {
    const at = (file: string) => resolve(folder, file)
    const client =
      cert !== undefined && key !== undefined ? { cert: at(cert), key: at(key), password: keyPassword } : null
    const files = { ca: ca === undefined ? null : at(ca), client }
    try {
      checkTlsFiles(files)
    } catch (error) {
      throw wrong(`network.certificates[${index}]: expected PEM files that fit together; ${messageOf(error)}`)
    }
    return { hosts, files }
  })
}
