import { z } from 'zod'

/**
 * A value whose type a vendor does not keep to: ids and amounts come as numbers or strings, nothing as null, `""`, `"NULL"` or not
 * at all. The shape lets it pass; `src/sources/shared/parse.ts` reads it and says what it cannot read.
 */
export const Mixed = z.unknown().optional()
