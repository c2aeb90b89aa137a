import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config-file.ts'
import { selfSigned } from '../helpers/self-signed.ts'
import { temporaryFolder } from '../helpers/temp.ts'

const folder = await temporaryFolder()
afterAll(() => folder.remove())
const at = (name: string) => join(folder.path, name)
const [ours, other] = [selfSigned(), selfSigned()]
await writeFile(at('our.crt'), ours.cert)
await writeFile(at('our.key'), ours.key)
await writeFile(at('other.key'), other.key)

async function load(certificates: unknown) {
  await writeFile(at('c.json'), JSON.stringify({ connections: [], network: { certificates } }))
  return await loadConfig(at('c.json'), {})
}

test('files are relative to the configuration', async () => {
  const { certificates } = await load([
    { hosts: ['*.internal'], ca: 'our.crt' },
    { hosts: ['billing.acme.com:8443'], cert: at('our.crt'), key: 'our.key' },
  ])
  expect(certificates).toEqual([
    { hosts: ['*.internal'], files: { ca: at('our.crt'), client: null } },
    {
      hosts: ['billing.acme.com:8443'],
      files: { ca: null, client: { cert: at('our.crt'), key: at('our.key'), password: null } },
    },
  ])
})

test.each([
  ['no hosts', { hosts: [], ca: 'our.crt' }, /certificates\[0\]\.hosts/],
  ['nothing to show or trust', { hosts: ['*'] }, /`ca`, or `cert` and `key`/],
  ['a certificate without its key', { hosts: ['*'], cert: 'our.crt' }, /`cert` and `key`, both or neither/],
  ['a file that is not there', { hosts: ['*'], ca: 'nowhere.pem' }, /network\.certificates\[0\]: .*ENOENT/],
  ['a key of another certificate', { hosts: ['*'], cert: 'our.crt', key: 'other.key' }, /that fit together/],
])('%s is a mistake of the configuration', async (_, entry, sentence) => {
  await expect(load([entry])).rejects.toMatchObject({
    code: 'config.invalid',
    message: expect.stringMatching(sentence),
  })
})
