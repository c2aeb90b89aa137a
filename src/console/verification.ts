import { VerifyLine } from '../../schemas/verify-line.ts'
import { messageOf } from '../lib/errors.ts'
import { counted, foreign, type Html, html } from './markup.ts'

const MOST_FINDINGS = 200

/** The verification that runs or ran last in this process. */
export interface Verification {
  /** Takes the lines of `/v1/verify` as they come. */
  follow(answer: Response): void
  running(): boolean
  view(): Html | null
}

export function createVerification(): Verification {
  let lines: VerifyLine[] = []
  let latest = ''
  let state: 'none' | 'running' | 'ended' = 'none'

  function take(text: string): void {
    const line = VerifyLine.parse(JSON.parse(text))
    if (line.type === 'progress') latest = `${line.looking}: ${line.done.toLocaleString('en')}`
    else if (lines.length < MOST_FINDINGS || line.type === 'summary') lines.push(line)
  }

  async function read(answer: Response): Promise<void> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of answer.body ?? []) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) if (part !== '') take(part)
    }
  }

  return {
    follow(answer) {
      lines = []
      latest = ''
      state = 'running'
      read(answer)
        .catch(error => lines.push({ type: 'error', detail: messageOf(error) }))
        .finally(() => {
          state = 'ended'
        })
    },
    running: () => state === 'running',
    view: () =>
      state === 'none'
        ? null
        : html`${state === 'running' ? html`<p role="status">Looking … ${latest}</p>` : ''}<ul class="story">${lines.map(lineView)}</ul>`,
  }
}

function lineView(line: VerifyLine): Html | string {
  switch (line.type) {
    case 'finding':
      return html`<li><strong>${line.severity}</strong> <code>${line.check}</code> ${foreign(Object.values(line.where).join(' '))}: ${foreign(line.what)} ${line.means} ${line.remedy}${line.repaired ? ' Repaired.' : ''}</li>`
    case 'connection':
      return html`<li>${line.connection}: ${counted(line.orders, 'order')} compared, ${counted(line.agreeing, 'fact')} agree, ${line.missing} missing, ${line.different} different.</li>`
    case 'summary':
      return html`<li><strong>${line.problems === 0 ? 'No problem.' : `${counted(line.problems, 'problem')}.`}</strong> Looked at ${counted(line.orders, 'order')}, ${counted(line.events, 'event')}, ${counted(line.lanes, 'lane')} and ${counted(line.deadLetters, 'dead letter')}.</li>`
    case 'error':
      return html`<li><strong>It could not go on.</strong> ${foreign(line.detail)}</li>`
    case 'progress':
      return ''
  }
}
