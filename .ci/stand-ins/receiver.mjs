import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'

createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  appendFileSync('/tmp/received', `${body}\n`)
  response.writeHead(request.headers['webhook-signature'] ? 204 : 400).end()
}).listen(9000)
