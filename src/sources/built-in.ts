import { isSourceSchema } from '../../schemas/connection.ts'
import { isSource, type Source } from './define-source.ts'
import { kakaclo } from './kakaclo/kakaclo.ts'
import { rest } from './rest/rest.ts'
import { shoplazza } from './shoplazza/shoplazza.ts'
import { tuya } from './tuya/tuya.ts'

/** The sources that a configuration need not list, and those it lists, by vendor. */

const BUILT_IN: readonly Source[] = [kakaclo, tuya, shoplazza, rest]

export const sourcesByVendor = (listed: readonly unknown[]): ReadonlyMap<string, Source> =>
  new Map([...listed.filter(isSourceSchema).filter(isSource), ...BUILT_IN].map(source => [source.vendor, source]))
