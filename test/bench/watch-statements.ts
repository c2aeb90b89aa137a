import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'

interface Statement {
  readonly text: string
  readonly ms: number
}

/** The statements that ran, and how long each took. */
export interface Statements {
  forget(): void
  slowest(): Statement | null
}

/** Watches every statement of this process, on either database, from now on. */
export function watchStatements(): Statements {
  let ran: Statement[] = []
  const took = (text: string, start: number) =>
    ran.push({ text: text.replaceAll(/\s+/g, ' '), ms: performance.now() - start })

  const { prepare } = DatabaseSync.prototype
  DatabaseSync.prototype.prepare = function watched(text, ...rest) {
    const statement = prepare.call(this, text, ...rest)
    const all = statement.all.bind(statement) as (...values: unknown[]) => unknown
    Object.assign(statement, {
      all: (...values: unknown[]) => {
        const start = performance.now()
        const rows = all(...values)
        took(text, start)
        return rows
      },
    })
    return statement
  }

  const { query } = pg.Client.prototype
  Object.assign(pg.Client.prototype, {
    query(this: pg.Client, ...given: unknown[]) {
      const start = performance.now()
      const answer = Reflect.apply(query, this, given) as unknown
      if (answer instanceof Promise)
        void answer.then(
          () => took(String(given[0]), start),
          () => {},
        )
      return answer
    },
  })

  return {
    forget() {
      ran = []
    },
    slowest: () => ran.toSorted((a, b) => b.ms - a.ms)[0] ?? null,
  }
}
