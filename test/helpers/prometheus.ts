import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { installedTool } from './installed-tool.ts'
import { temporaryFolder } from './temp.ts'
import { until } from './until.ts'

const run = promisify(execFile)

/** Debian's package `prometheus` has both; null after saying that they are missing. With CI=true that is an error instead. */
export function prometheusTools(): { promtool: string; prometheus: string } | null {
  const promtool = installedTool('promtool', 'prometheus')
  const prometheus = promtool && installedTool('prometheus', 'prometheus')
  return prometheus ? { promtool, prometheus } : null
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>
}

interface Prometheus {
  /** What the expression yields now. Throws what Prometheus says of a wrong one. */
  query(expression: string): Promise<readonly Sample[]>
  /** The labels of the alerts that are pending or firing. */
  alerts(): Promise<readonly Readonly<Record<string, string>>[]>
  stop(): Promise<void>
}

interface Scraping {
  /** The program that is scraped, and the key it asks for. */
  readonly url: string
  readonly key: string
  /** The text of a file of rules. */
  readonly rules: string
}

/** A Prometheus that scrapes one program and evaluates its rules four times a second. */
export async function startPrometheus(binary: string, { url, key, rules }: Scraping): Promise<Prometheus> {
  const folder = await temporaryFolder()
  const often = { scrape_interval: '250ms', scrape_timeout: '250ms', evaluation_interval: '250ms' }
  const file = join(folder.path, 'prometheus.yml')
  await writeFile(join(folder.path, 'rules.yaml'), rules)
  await writeFile(
    file,
    stringify({
      global: { ...often, scrape_timeout: '250ms' },
      rule_files: ['rules.yaml'],
      scrape_configs: [
        {
          job_name: 'orderwire',
          authorization: { credentials: key },
          static_configs: [{ targets: [new URL(url).host] }],
        },
      ],
    }),
  )
  const settings = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(folder.path, 'data')}`,
    '--web.listen-address=127.0.0.1:0',
  ]
  const child = spawn(binary, settings, { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder.path })
  let output = ''
  child.stderr.on('data', chunk => {
    output += chunk
  })
  const place = /Listening on"? .*?address=([\d.:]+)/
  await until('Prometheus listens', () => child.exitCode !== null || place.test(output), 60_000)
  const address = place.exec(output)?.[1]
  if (address === undefined) throw new Error(`Prometheus ended at once:\n${output}`)

  await until('Prometheus is ready', async () => (await fetch(`http://${address}/-/ready`)).ok, 60_000)

  async function ask<T>(path: string): Promise<T> {
    const response = await fetch(`http://${address}/api/v1/${path}`)
    const answer = (await response.json()) as { status: string; error?: string; data: T }
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
    return answer.data
  }

  return {
    query: async expression =>
      (await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    alerts: async () =>
      (await ask<{ alerts: { labels: Record<string, string> }[] }>('alerts')).alerts.map(({ labels }) => labels),
    async stop() {
      await ended(child)
      await folder.remove()
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const closed = new Promise(resolve => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
}

/** Runs promtool; resolves with what it prints, and rejects with it when it is not content. */
export async function promtool(binary: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(binary, args)
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`promtool ${args.join(' ')}\n${stdout}${stderr}`)
  }
}
