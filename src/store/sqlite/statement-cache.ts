/** Prepared statements by their text, the most recently used `limit` of them. */
export function createStatementCache<T>(limit: number, prepare: (text: string) => T): { get(text: string): T } {
  const statements = new Map<string, T>()
  return {
    get: text => {
      const known = statements.get(text)
      if (known !== undefined) {
        statements.delete(text)
        statements.set(text, known)
        return known
      }
      const statement = prepare(text)
      statements.set(text, statement)
      if (statements.size > limit) {
        const [oldest] = statements.keys()
        if (oldest !== undefined) statements.delete(oldest)
      }
      return statement
    },
  }
}
