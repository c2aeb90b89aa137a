import { buildConnector } from 'undici'
import { AppError } from './errors.ts'
import { fitsHost } from './host-pattern.ts'
import { readTlsFiles, type TlsFiles } from './tls-files.ts'

/** What TLS with some hosts shows of us, and whom it trusts. */
export interface HostCertificates {
  /** As `fitsHost` has them. */
  readonly hosts: readonly string[]
  readonly files: TlsFiles
}

/** A connector as undici makes it. With a host in the list, the first entry that fits counts; its files are read for each connection. */
export function connectorWith(
  list: readonly HostCertificates[],
  options: buildConnector.BuildOptions,
): buildConnector.connector {
  const plain = buildConnector(options)
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, '')
    const found = list.find(({ hosts }) => hosts.some(pattern => fitsHost(pattern, host, Number(target.port) || 443)))
    if (!found || target.protocol !== 'https:') return plain(target, callback)
    let connect: buildConnector.connector
    try {
      connect = buildConnector({ ...options, ...readTlsFiles(found.files) })
    } catch {
      return callback(unusable(), null)
    }
    connect(target, callback)
  }
}

/** Without the names of the files: the owner of an endpoint may read it. */
const unusable = () =>
  new AppError('The certificates configured for this host cannot be used now; `orderwire check` says why.', {
    code: 'network.certificates',
    intent: 'retry',
  })
