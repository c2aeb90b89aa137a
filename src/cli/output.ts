import type { OrderEvent } from '../../schemas/order-event.ts'
import { cutText } from '../lib/clean-text.ts'
import { escapeJson, visibleLine, visibleLines } from '../lib/control-characters.ts'
import { whatHappened } from '../order/what-happened.ts'

/** How a line looks on a terminal that shows colours. */
export type Tone = 'bad' | 'warn' | 'quiet'

const COLOURS: Readonly<Record<Tone, string>> = { bad: '31', warn: '33', quiet: '2' }

/**
 * What commands print: lines for people, or JSON lines for programs (`--json`). Control characters in texts of vendors and endpoints are shown
 * escaped: they never reach the terminal.
 */
export interface Output {
  readonly json: boolean
  /** A text of our own, which may have several lines. */
  line(text: string): void
  /** A line for people only, such as a heading, a hint or what to do when a list is empty. */
  note(text: string, tone?: Tone): void
  /** One object: a JSON line with `--json`, else `text` as one line. */
  item(value: unknown, text: string, tone?: Tone): void
  /** Clears the terminal; elsewhere nothing. */
  clear(): void
  /** One object as JSON for people, over several lines; a JSON line with `--json`. */
  whole(value: unknown): void
}

export interface OutputOptions {
  readonly write?: (text: string) => void
  /** The terminal shows colours, and nobody has forbidden them (NO_COLOR). */
  readonly coloured?: boolean
}

export function createOutput(
  json: boolean,
  { write = text => void process.stdout.write(text), coloured = false }: OutputOptions = {},
): Output {
  const jsonOf = (value: unknown, indent?: number) => `${escapeJson(JSON.stringify(value, null, indent))}\n`
  const painted = (text: string, tone: Tone | undefined) =>
    coloured && tone !== undefined ? `\u001b[${COLOURS[tone]}m${text}\u001b[0m` : text
  const note = (text: string, tone?: Tone) => write(`${painted(visibleLine(text), tone)}\n`)
  return {
    json,
    line: text => write(`${visibleLines(text)}\n`),
    note: (text, tone) => (json ? undefined : note(text, tone)),
    item: (value, text, tone) => (json ? write(jsonOf(value)) : note(text, tone)),
    clear: () => (coloured && !json ? write('\u001b[2J\u001b[H') : undefined),
    whole: value => write(jsonOf(value, json ? undefined : 2)),
  }
}

const LONGEST_TEXT = 200

/** A text of a vendor or a receiver, cut for a terminal; `--json` gives the whole. */
export function short(text: string): string {
  const cut = cutText(text, LONGEST_TEXT)
  return cut.length < text.length ? `${cut}…` : text
}

/** `2026-03-02T10:15:30.000Z` as people read it; a dash where there is none. */
export const timeText = (time: string | null | undefined): string => time?.slice(0, 19).replace('T', ' ') ?? '-'

/** `1 event`, `2 events`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** An event as one readable line: `2026-03-02 10:15:30  shop/288263-00421 #2  shipped  p-1 by UPS, 1Z2345`. */
export function eventLine(event: OrderEvent): string {
  const { time, type, partitionkey, data } = event
  return [
    timeText(time),
    `${partitionkey} #${data.sequence}`,
    type.slice('order.'.length).padEnd(16),
    whatHappened(event),
  ].join('  ')
}
