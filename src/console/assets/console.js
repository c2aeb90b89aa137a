// What pages do beyond HTML: refresh, confirm, draw, keys, times. Every page works without it.
const $ = selector => document.querySelector(selector)
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)]

for (const element of $$('[data-script]')) element.hidden = false

// Times: relative, local or UTC, everywhere on the page.
const switcher = $('#times')
let mode = stored('times') ?? 'relative'
if (switcher) {
  switcher.value = mode
  switcher.addEventListener('change', () => {
    mode = switcher.value
    try {
      localStorage.setItem('times', mode)
    } catch {}
    showTimes()
    drawCharts()
  })
}
function stored(name) {
  try {
    return localStorage.getItem(name)
  } catch {
    return null
  }
}
const two = number => String(number).padStart(2, '0')
function exact(date, utc, precise) {
  const part = name => date[`get${utc ? 'UTC' : ''}${name}`]()
  const day = `${part('FullYear')}-${two(part('Month') + 1)}-${two(part('Date'))}`
  const clock = `${two(part('Hours'))}:${two(part('Minutes'))}:${two(part('Seconds'))}`
  return `${day} ${clock}${precise ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : ''}${utc ? ' UTC' : ''}`
}
function relative(ms) {
  const seconds = Math.floor(Math.abs(ms) / 1000)
  const words =
    seconds < 60
      ? `${seconds} s`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min`
        : seconds < 172800
          ? `${Math.floor(seconds / 3600)} h`
          : `${Math.floor(seconds / 86400)} days`
  return ms < 0 ? `in ${words}` : `${words} ago`
}
function showTimes() {
  for (const element of $$('time')) {
    const date = new Date(element.dateTime)
    const precise = element.classList.contains('precise')
    const isDue = date <= Date.now() && element.closest('.due')
    const text = isDue
      ? 'now'
      : mode === 'relative' && !precise
        ? relative(Date.now() - date)
        : exact(date, mode !== 'local', precise)
    if (element.textContent !== text) element.textContent = text
    element.title = `${exact(date, false, precise)} here, ${exact(date, true, precise)}`
  }
}

// Live parts: when they were read, a pause, and a band while the server does not answer.
let updatedAt = Date.now()
let awaySince = null
let paused = false
const pause = $('#pause')
pause?.addEventListener('click', () => {
  paused = !paused
  pause.setAttribute('aria-pressed', String(paused))
  pause.textContent = paused ? 'Go on' : 'Pause'
})
const isLive = event => event.detail.ctx?.sourceElement?.id === 'live'
document.addEventListener('htmx:before:request', event => {
  if (isLive(event) && (paused || document.hidden || $('dialog[open]'))) event.preventDefault()
})
document.addEventListener('htmx:before:response', event => {
  const { status } = event.detail.ctx.response
  if (status < 400) return back()
  event.preventDefault()
  if (status === 401) return location.reload()
  away()
})
document.addEventListener('htmx:error', away)
document.addEventListener('htmx:after:swap', () => {
  showTimes()
  drawCharts()
})
function away() {
  awaySince ??= updatedAt
  document.body.classList.add('away')
  const band = $('#band')
  if (!band) return
  band.hidden = false
  band.textContent = `The server has not answered since ${exact(new Date(awaySince), false, false)}. What you see is of then; this page tries again by itself.`
}
function back() {
  updatedAt = Date.now()
  awaySince = null
  document.body.classList.remove('away')
  const band = $('#band')
  if (band) band.hidden = true
}
function showAge() {
  const age = $('#updated')
  const seconds = Math.round((Date.now() - updatedAt) / 1000)
  if (age)
    age.textContent = paused
      ? `paused, updated ${seconds} s ago`
      : `updated ${seconds < 1 ? 'now' : `${seconds} s ago`}`
}
setInterval(() => {
  showAge()
  if (mode === 'relative') showTimes()
}, 1000)
addEventListener('pageshow', event => event.persisted && location.reload())

// Confirmations: a dialog with the words of the form.
const confirmed = new WeakSet()
document.addEventListener('submit', event => {
  const form = event.target
  const { submitter } = event
  const asked = submitter?.dataset.confirm ?? form.dataset.confirm
  if (!asked || confirmed.has(form)) return
  event.preventDefault()
  const dialog = document.createElement('dialog')
  dialog.setAttribute('aria-label', 'Please confirm')
  const words = document.createElement('p')
  words.textContent = asked.replace('{n}', String($$('input[name=ids]:checked').length))
  const buttons = document.createElement('div')
  buttons.className = 'toolbar'
  const button = (label, kind, run) => {
    const made = document.createElement('button')
    made.type = 'button'
    made.className = kind
    made.textContent = label
    made.addEventListener('click', run)
    buttons.append(made)
    return made
  }
  button('Cancel', 'quiet', () => dialog.close())
  button(submitter?.textContent ?? 'Yes', submitter?.className ?? 'primary', () => {
    confirmed.add(form)
    dialog.close()
    form.requestSubmit(submitter)
  }).autofocus = true
  dialog.append(words, buttons)
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
})

// Keys: / searches, g and a letter goes to a page, ? shows them.
let went = 0
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return
  const isSecond = Date.now() - went < 1500
  went = event.key === 'g' ? Date.now() : 0
  if (event.key === '/') $('#search')?.focus()
  else if (event.key === '?') $('#keys')?.showModal()
  else if (isSecond) $(`.side a[data-key="${CSS.escape(event.key)}"]`)?.click()
  else return
  event.preventDefault()
})

document.addEventListener('click', async event => {
  const copy = event.target.closest('[data-copy]')
  if (copy) {
    await navigator.clipboard.writeText($(`#${copy.dataset.copy}`)?.textContent ?? '')
    copy.textContent = 'Copied'
  }
  const all = event.target.closest('[data-all]')
  if (all) for (const box of $$('input[name=ids]')) box.checked = all.checked
})

// Charts: drawn from the table of each.
function drawCharts() {
  for (const figure of $$('[data-chart]')) draw(figure)
}
function draw(figure) {
  const plot = $$('.plot', figure)[0]
  const rows = $$('tbody tr', figure)
  if (!window.uPlot || rows.length === 0) return
  const key =
    rows.map(row => row.textContent).join() +
    mode +
    matchMedia('(prefers-color-scheme: dark)').matches +
    plot.clientWidth
  if (plot.dataset.key === key) return
  plot.dataset.key = key
  const probe = document.createElement('i')
  figure.append(probe)
  const colour = name => {
    probe.style.color = `var(${name})`
    return getComputedStyle(probe).color
  }
  const times = rows.map(row => Date.parse(row.querySelector('time').dateTime) / 1000)
  const names = $$('thead th', figure)
    .slice(1)
    .map(head => head.textContent)
  const columns = names.map((_, at) =>
    rows.map(row => (row.cells[at + 1].textContent === '' ? null : Number(row.cells[at + 1].textContent))),
  )
  const colours = figure.dataset.colours.split(',')
  const stacked = figure.dataset.chart === 'stacked'
  if (stacked)
    for (let at = columns.length - 2; at >= 0; at--)
      columns[at] = columns[at].map((value, index) => value + columns[at + 1][index])
  const bars = stacked
    ? { paths: uPlot.paths.bars({ size: [0.8, 24] }) }
    : { width: 2, points: { show: rows.length < 3 }, spanGaps: true }
  const axis = {
    stroke: colour('--soft'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui',
  }
  plot.replaceChildren()
  new uPlot(
    {
      width: Math.max(200, plot.clientWidth),
      height: 200,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      tzDate: mode === 'local' ? undefined : at => uPlot.tzDate(new Date(at * 1000), 'UTC'),
      scales: { y: { range: (_chart, _low, high) => [0, Math.max(1, high * 1.1)] } },
      axes: [
        { ...axis, size: 28, grid: { show: false }, values: (_, at) => at.map(clock) },
        {
          ...axis,
          size: 46,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000, 1000000],
        },
      ],
      series: [
        {},
        ...names.map((label, at) => {
          const c = colour(`--series-${colours[at % colours.length]}`)
          return { label, stroke: c, fill: stacked ? c : undefined, ...bars }
        }),
      ],
    },
    [times, ...columns],
    plot,
  )
  probe.remove()
}
function clock(at) {
  const date = new Date(at * 1000)
  return mode === 'local'
    ? `${two(date.getHours())}:${two(date.getMinutes())}`
    : `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`
}
addEventListener('resize', drawCharts)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawCharts)
showTimes()
drawCharts()
