{
  const REFRESH_MS = 5000
  const SHOWN_EVENTS = 50
  const LOOK_BACK_MS = 10 * 60 * 1000

  const at = id => document.getElementById(id)
  const key = sessionStorage.getItem('orderwire-key')
  const headers = key ? { authorization: `Bearer ${key}` } : {}

  async function call(method, path) {
    const response = await fetch(path, { method, headers })
    const text = await response.text()
    const body = text ? JSON.parse(text) : null
    if (!response.ok) throw new Error(body?.detail ?? `the service answered ${response.status}`)
    return body
  }

  // ── drawing ──

  function element(tag, content, attributes = {}) {
    const made = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
    made.append(...[content].flat().filter(part => part !== null && part !== undefined))
    return made
  }

  /** A table; each column is [title, row => text or element, row => class]. */
  function table(columns, rows, none) {
    if (rows.length === 0) return element('p', none)
    const head = element(
      'tr',
      columns.map(([title]) => element('th', title, { scope: 'col' })),
    )
    const body = rows.map(row =>
      element(
        'tr',
        columns.map(([title, show, kind]) =>
          element('td', show(row) ?? '', { 'data-label': title, class: kind?.(row) ?? '' }),
        ),
      ),
    )
    return element('table', [element('thead', head), element('tbody', body)])
  }

  function button(title, run) {
    const made = element('button', title, { type: 'button' })
    made.addEventListener('click', async () => {
      made.disabled = true
      try {
        await run()
      } catch (error) {
        say(error.message, 'bad')
      }
      made.disabled = false
      refresh()
    })
    return made
  }

  function say(text, kind = '') {
    at('status').textContent = text
    at('status').className = kind
  }

  const number = () => 'number'
  const STATES = {
    ok: 'good',
    active: 'good',
    behind: 'warn',
    paused: 'warn',
    open: 'bad',
    failing: 'bad',
    stopped: 'bad',
    disabled: 'bad',
  }
  const state = row => STATES[row.state] ?? ''
  const time = text => (text ? new Date(text).toLocaleString() : '–')

  function span(seconds) {
    if (seconds === null) return '–'
    if (seconds < 60) return `${Math.round(seconds)} s`
    if (seconds < 3600) return `${Math.round(seconds / 60)} min`
    return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`
  }

  const COLUMNS = {
    connections: [
      ['Connection', row => `${row.id} (${row.vendor})`],
      ['State', row => row.state, state],
      ['Lag', row => span(row.lagSeconds), number],
      ['Last success', row => time(row.lastSuccessAt)],
      ['Orders', row => row.ordersTracked, number],
      ['Quarantined', row => row.quarantined, number],
      ['Last error', row => row.lastError ?? (row.webhooks?.silent ? 'no webhooks come any more' : null)],
      [
        '',
        row =>
          button('Poll now', async () => {
            const { orders, events } = await call('POST', `/v1/connections/${encodeURIComponent(row.id)}/poll`)
            say(`${row.id}: ${orders} orders read, ${events} new events`, 'good')
          }),
      ],
    ],
    destinations: [
      ['Destination', row => `${row.id} (${row.kind})`],
      ['State', row => (row.restingUntil ? `${row.state}, rests until ${time(row.restingUntil)}` : row.state), state],
      ['Backlog', row => row.backlog, number],
      ['Oldest', row => span(row.oldestWaitingSeconds), number],
      ['Dead letters', row => row.deadLetters, number],
      ['Success', row => (row.successRate === null ? '–' : `${(row.successRate * 100).toFixed(1)} %`), number],
      [
        'p50 / p99',
        row =>
          row.latencyMs.p50 === null ? '–' : `${Math.round(row.latencyMs.p50)} / ${Math.round(row.latencyMs.p99)} ms`,
        number,
      ],
    ],
    'dead-letters': [
      ['Destination', row => row.destination],
      ['Event', row => `${row.event.type} of ${row.event.data.connection}/${row.event.data.orderId}`],
      ['Given up', row => time(row.at)],
      ['Attempts', row => row.attempts, number],
      ['Last error', row => row.lastError],
      ['Holding', row => (row.holding ? 'yes' : null)],
      ['', row => button('Redrive', () => call('POST', `/v1/dead-letters/${encodeURIComponent(row.id)}/redrive`))],
    ],
    quarantine: [
      ['Order', row => `${row.connection}/${row.orderId ?? '?'}`],
      ['Since', row => time(row.at)],
      ['Where', row => row.path],
      ['Found', row => row.value],
      ['Why', row => row.reason],
      [
        '',
        row =>
          row.orderId === null
            ? null
            : button('Read again', () => call('POST', `/v1/quarantine/${encodeURIComponent(row.id)}/retry`)),
      ],
    ],
    events: [
      ['Observed', row => time(row.data.observedAt)],
      ['Event', row => row.type],
      ['Order', row => `${row.data.connection}/${row.data.orderId}`],
      ['No.', row => row.data.sequence, number],
      ['Happened', row => time(row.data.occurredAt)],
    ],
  }
  const NONE = {
    connections: 'None is configured.',
    destinations: 'None: put a handler into handlers/, or add an endpoint.',
    'dead-letters': 'None.',
    quarantine: 'Nothing: every order was understood.',
    events: 'None in the last minutes.',
  }

  const draw = (name, rows) => at(name).replaceChildren(table(COLUMNS[name], rows, NONE[name]))

  // ── what is polled ──

  let refreshing = false
  async function refresh() {
    if (refreshing || document.hidden) return
    refreshing = true
    try {
      const names = ['connections', 'destinations', 'dead-letters', 'quarantine']
      const pages = await Promise.all(names.map(name => call('GET', `/v1/${name}?limit=100`)))
      for (const [index, name] of names.entries()) draw(name, pages[index].data)
      at('redrive-all').hidden = pages[2].data.length === 0
      if (at('status').className !== 'good') say(`as of ${new Date().toLocaleTimeString()}`)
      else at('status').className = ''
    } catch (error) {
      say(error.message, 'bad')
    }
    refreshing = false
  }

  at('redrive-all').replaceWith(
    Object.assign(
      button('Redrive all', async () => {
        const { queued } = await call('POST', '/v1/dead-letters/redrive')
        say(`${queued} queued`, 'good')
      }),
      { id: 'redrive-all', hidden: true },
    ),
  )

  // ── what comes live ──

  const events = []
  let lastId = null

  function take(block) {
    const data = block
      .split('\n')
      .filter(line => line.startsWith('data: '))
      .map(line => line.slice(6))
      .join('\n')
    if (data === '') return
    const event = JSON.parse(data)
    lastId = event.id
    events.unshift(event)
    events.length = Math.min(events.length, SHOWN_EVENTS)
  }

  /** By the service's clock: this device's may be wrong. */
  async function lookBack() {
    const { headers } = await fetch('/healthz')
    return new Date(Date.parse(headers.get('date')) - LOOK_BACK_MS).toISOString()
  }

  async function listen() {
    const query = lastId === null ? `since=${await lookBack()}` : `lastEventId=${lastId}`
    const response = await fetch(`/v1/events/stream?${query}`, { headers })
    if (!response.ok) {
      lastId = null
      return
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      const blocks = (text + value).split('\n\n')
      text = blocks.pop()
      blocks.forEach(take)
      draw('events', events)
    }
  }

  async function listenOn() {
    for (;;) {
      await listen().catch(() => {})
      await new Promise(resolve => setTimeout(resolve, 2000))
    }
  }

  draw('events', events)
  refresh()
  setInterval(refresh, REFRESH_MS)
  document.addEventListener('visibilitychange', refresh)
  listenOn()
}
