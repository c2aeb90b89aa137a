import nodeModule from 'node:module'

/** The package's own exports, by the name that a configuration, a handler or a source imports them with. */
const EXPORTS: ReadonlyMap<string, string> = new Map([
  ['orderwire', '../index'],
  ['orderwire/events', '../../schemas/events'],
  ['orderwire/receiver', '../receiver/receiver'],
  ['orderwire/testing', '../sources/testing/testing'],
])

/**
 * Makes `import … from 'orderwire'` resolve to this program, wherever the importing file lies: in this repository, beside a mounted
 * configuration, or in a project with the package installed. Call it once per thread, before such a file is loaded.
 */
export function resolveOwnPackage(): void {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  nodeModule.registerHooks({
    resolve(specifier, context, next) {
      const own = EXPORTS.get(specifier)
      return next(own === undefined ? specifier : new URL(own + extension, import.meta.url).href, context)
    },
  })
}
