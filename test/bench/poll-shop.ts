import { createServer } from 'node:http'
import { createLife } from '../../src/sandbox/life.ts'
import { createRandom } from '../../src/sandbox/random.ts'
import { kakacloV2 } from '../../src/sandbox/rows.ts'

/**
 * A Kakaclo whose orders were all updated just now, as ready-made text, in a process of its own. `poll-shop.ts ORDERS`. Tell it `{ change: 0.01 }`
 * and that share of the orders gets another tracking number; it answers with its URL and the bytes of its pages.
 */
const PAGE = 250
const BYTES = 2_500
const orders = Number(process.argv[2] ?? 5_000)
const random = createRandom(1)
const startedAt = Date.now()
let changes = 0

const lives = Array.from({ length: orders }, (_, index) => {
  const life = createLife(random, {
    id: String(1_000_000 + index),
    number: String(index),
    at: startedAt,
    buyer: 'b',
    dollars: true,
  })
  life.paidAt = startedAt
  life.packages = [
    {
      ...{ id: `p${index}`, carrier: 'UPS', trackingNumber: 'T0', lines: life.lines },
      ...{ createdAt: startedAt, state: 'shipped', updatedAt: startedAt },
    },
  ]
  return life
})
const textOf = (life: (typeof lives)[number]) => {
  const row = kakacloV2(life)
  const short = BYTES - JSON.stringify(row).length
  return JSON.stringify({ ...row, remark: 'x'.repeat(Math.max(0, short)) })
}
const rows = lives.map(textOf)

function change(share: number): void {
  changes++
  if (share === 0) return
  const every = Math.round(1 / share)
  for (let at = changes % every; at < orders; at += every) {
    const [parcel] = lives[at]?.packages ?? []
    const life = lives[at]
    if (!life || !parcel) continue
    parcel.trackingNumber = `T${changes}`
    rows[at] = textOf(life)
  }
}

const page = (number: number) => {
  const list = rows.slice((number - 1) * PAGE, number * PAGE).join(',')
  return `{"code":10000,"message":"success","data":{"vo":null,"total":${orders},"pageNumber":${number},"pageSize":${PAGE},"list":[${list}]}}`
}

const server = createServer((request, response) => {
  const number = Number(new URL(request.url ?? '/', 'http://shop').searchParams.get('pageNumber') ?? 1)
  response.writeHead(200, { 'content-type': 'application/json' }).end(page(number))
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
  process.send?.({ url, bytes: rows.reduce((sum, row) => sum + row.length, 0) / orders })
})
process.on('message', (message: { change: number }) => {
  change(message.change)
  process.send?.({ changed: true })
})
process.on('disconnect', () => process.exit(0))
