import { registerHooks } from 'node:module'

const NAME = 'orderwire'

/**
 * Lets configurations and handlers import `orderwire` wherever they lie: the name stands for the program that runs them, whether it is
 * installed beside them or not. Once per thread, before the first of them is loaded.
 */
export function resolveOwnPackage(): void {
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === NAME || specifier.startsWith(`${NAME}/`)
        ? next(specifier, { ...context, parentURL: import.meta.url })
        : next(specifier, context),
  })
}
