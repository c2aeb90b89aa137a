import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1'
import { PodMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1'
import { Deployment } from 'kubernetes-models/apps/v1'
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Namespace, Service, ServiceAccount } from 'kubernetes-models/v1'
import { afterAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { Config } from '../../schemas/config.ts'
import { ROLES } from '../../src/cli/server.ts'
import { readSettings } from '../../src/config/environment.ts'
import { installedTool } from '../helpers/installed-tool.ts'

/** deploy/ against the program: its variables, flags, ports and paths, and against the schemas of Kubernetes and systemd. */

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const KUBERNETES = 'deploy/kubernetes'

/** The variables that configuration.md lists, which are the program's own (docs.test.ts). */
const variables = new Set([...read('docs/configuration.md').matchAll(/`([A-Z][A-Z_]{3,})`/g)].map(([, name]) => name))
/** Those of a vendor's credentials, and Node's own. */
const foreign = ['SHOP_TOKEN', 'NODE_ENV']

function environmentOf(text: string, { commentedOut = false } = {}): Record<string, string> {
  const line = commentedOut ? /^#?([A-Z][A-Z_]+)=(.*)$/gm : /^([A-Z][A-Z_]+)=(.*)$/gm
  return Object.fromEntries([...text.matchAll(line)].map(([, name = '', value = '']) => [name, value]))
}

describe('every environment variable is one that the program reads', () => {
  test.each(['deploy/env.example', `${KUBERNETES}/config.env`, `${KUBERNETES}/secret.env.example`])('in %s', path => {
    const named = Object.keys(environmentOf(read(path), { commentedOut: true }))
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter(name => !variables.has(name) && !foreign.includes(name))).toEqual([])
  })

  test('and deploy/env.example names them all', () => {
    const named = environmentOf(read('deploy/env.example'), { commentedOut: true })
    const missing = [...variables].filter(name => name !== undefined && !(name in named))
    expect(missing.filter(name => /^(ORDERWIRE|KAFKA|DATABASE|LOG|HOST|PORT)/.test(name ?? ''))).toEqual([])
  })
})

const secrets = {
  DATABASE_URL: 'postgres://orderwire:password@postgres:5432/orderwire',
  ORDERWIRE_API_KEY: 'a'.repeat(48),
  ORDERWIRE_SECRET_KEY: Buffer.alloc(32).toString('base64'),
}

describe('the example of an environment', () => {
  test('is understood as it is, once it has the key that it asks for', () => {
    const env = { ...environmentOf(read('deploy/env.example')), ORDERWIRE_API_KEY: secrets.ORDERWIRE_API_KEY }
    expect(readSettings(env)).toMatchObject({ host: '127.0.0.1', port: 8080, kafka: null, databaseUrl: null })
  })

  test('is understood with everything that is commented out, once the secrets are filled in', () => {
    const env = environmentOf(read('deploy/env.example'), { commentedOut: true })
    // A token stands in place of a user, and the certificates are not on this machine.
    const here = Object.fromEntries(Object.entries(env).filter(([name]) => !/^KAFKA_(SASL_TOKEN|SSL)_/.test(name)))
    const settings = readSettings({ ...here, ...secrets, KAFKA_SASL_PASSWORD: 'p' })
    expect(settings).toMatchObject({ kafka: { tls: { ca: null, client: null }, sasl: { mechanism: 'scram-sha-512' } } })
  })
})

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('http') }) })
const Workload = z.object({
  kind: z.literal('Deployment'),
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        automountServiceAccountToken: z.literal(false),
        terminationGracePeriodSeconds: z.number().min(12),
        securityContext: z.object({
          runAsNonRoot: z.literal(true),
          runAsUser: z.number().min(1),
          fsGroup: z.number().min(1),
          seccompProfile: z.object({ type: z.literal('RuntimeDefault') }),
        }),
        containers: z.tuple([
          z.object({
            image: z.string(),
            args: z.tuple([z.literal('start'), z.literal('--roles'), z.enum(ROLES)]),
            ports: z.tuple([z.object({ name: z.literal('http'), containerPort: z.number() })]),
            startupProbe: Probe,
            livenessProbe: Probe,
            readinessProbe: Probe,
            resources: z.object({ requests: z.object({ cpu: z.string(), memory: z.string() }) }),
            securityContext: z.object({
              allowPrivilegeEscalation: z.literal(false),
              readOnlyRootFilesystem: z.literal(true),
              capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
            }),
            volumeMounts: z.array(
              z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }),
            ),
          }),
        ]),
      }),
    }),
  }),
})

interface Validated {
  validate(): void
}
type Made = { readonly kind: string; readonly metadata: { readonly name: string } }

/** Validates by the schemas of Kubernetes, KEDA and the Prometheus operator; a kind that is not here is an error of this test. */
const KINDS: Readonly<Record<string, (of: never) => Validated>> = {
  ConfigMap: of => new ConfigMap(of),
  Deployment: of => new Deployment(of),
  Ingress: of => new Ingress(of),
  Namespace: of => new Namespace(of),
  NetworkPolicy: of => new NetworkPolicy(of),
  PodMonitor: of => new PodMonitor(of),
  PodDisruptionBudget: of => new PodDisruptionBudget(of),
  ScaledObject: of => new ScaledObject(of),
  Service: of => new Service(of),
  ServiceAccount: of => new ServiceAccount(of),
}
const documentsOf = (text: string): Made[] => parseAllDocuments(text).map(document => document.toJS())

const Kustomization = z.object({
  resources: z.array(z.string()),
  configMapGenerator: z.array(z.object({ name: z.string() })),
  secretGenerator: z.array(z.object({ name: z.string(), envs: z.tuple([z.literal('secret.env')]) })),
})
const kustomization = Kustomization.parse(parse(read(`${KUBERNETES}/kustomization.yaml`)))
const files = globSync(`${KUBERNETES}/**/*.yaml`, { cwd: root }).filter(path => !path.endsWith('kustomization.yaml'))
const objects = files.flatMap(path => documentsOf(read(path)))
const workloads = objects.filter(({ kind }) => kind === 'Deployment').map(each => Workload.parse(each))

describe('the manifests of Kubernetes', () => {
  test.each(files)('%s is valid by the schema of its kind', path => {
    for (const each of documentsOf(read(path))) {
      expect(Object.keys(KINDS)).toContain(each.kind)
      KINDS[each.kind]?.(each as never).validate()
    }
  })

  test('a member with a value that Kubernetes does not take is found', () => {
    const [deployment] = objects.filter(({ kind }) => kind === 'Deployment')
    expect(() => KINDS.Deployment?.({ ...deployment, spec: { replicas: 'two' } } as never).validate()).toThrow()
  })

  test('are all named by the kustomization, or offered by it in a comment', () => {
    const text = read(`${KUBERNETES}/kustomization.yaml`)
    const relative = files.map(path => path.slice(KUBERNETES.length + 1))
    expect(relative.filter(path => !text.includes(`- ${path}`))).toEqual([])
    expect(kustomization.resources.filter(path => !relative.includes(path))).toEqual([])
  })

  test('run each role of the program, with the probes and the port that it has', () => {
    const containers = workloads.map(({ spec }) => spec.template.spec.containers[0])
    expect(containers.map(({ args }) => args[2]).sort()).toEqual([...ROLES].sort())
    const { PORT } = environmentOf(read(`${KUBERNETES}/config.env`))
    for (const { ports, startupProbe, livenessProbe, readinessProbe } of containers) {
      expect(String(ports[0].containerPort)).toBe(PORT)
      expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toEqual([
        ...['/healthz', '/healthz', '/readyz'],
      ])
    }
  })

  test('mount what the program reads and writes, and what Node needs on a read-only root', () => {
    const { ORDERWIRE_CONFIG = '', ORDERWIRE_DATA } = environmentOf(read(`${KUBERNETES}/config.env`))
    expect(kustomization.configMapGenerator.map(({ name }) => name)).toContain('orderwire-configuration')
    for (const { spec } of workloads) {
      const mounts = spec.template.spec.containers[0].volumeMounts
      const writable = mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)
      expect(writable.sort()).toEqual([ORDERWIRE_DATA, '/tmp'].sort())
      expect(mounts.some(({ mountPath }) => ORDERWIRE_CONFIG === `${mountPath}/orderwire.config.json`)).toBe(true)
    }
  })

  test('select each other by the labels of the pods', () => {
    const text = (each: Made) => JSON.stringify(each)
    for (const { metadata, spec } of workloads) {
      expect(spec.template.metadata.labels).toEqual(spec.selector.matchLabels)
      const component = `"app.kubernetes.io/component":"${spec.selector.matchLabels['app.kubernetes.io/component']}"`
      const budgets = objects.filter(each => each.kind === 'PodDisruptionBudget' && text(each).includes(component))
      expect(budgets.map(each => each.metadata.name)).toEqual([metadata.name])
    }
    const scaled = objects.find(({ kind }) => kind === 'ScaledObject')
    expect(text(scaled as Made)).toContain('"scaleTargetRef":{"name":"orderwire-dispatch"}')
  })

  test('scale by the topic, the group and the brokers of the configuration, to no more pods than partitions', () => {
    const env = environmentOf(read(`${KUBERNETES}/config.env`))
    const scaled = z
      .object({
        spec: z.object({
          maxReplicaCount: z.number(),
          triggers: z.tuple([z.object({ metadata: z.record(z.string(), z.string()) })]),
        }),
      })
      .parse(objects.find(({ kind }) => kind === 'ScaledObject')).spec
    expect(scaled.triggers[0].metadata).toMatchObject({
      bootstrapServers: env.KAFKA_BROKERS,
      consumerGroup: env.KAFKA_GROUP,
      topic: env.KAFKA_TOPIC,
    })
    expect(String(scaled.maxReplicaCount)).toBe(env.KAFKA_PARTITIONS)
  })

  test('give the program an environment and a configuration that it takes', () => {
    const env = environmentOf(read(`${KUBERNETES}/config.env`))
    const named = Object.keys(environmentOf(read(`${KUBERNETES}/secret.env.example`)))
    expect(named).toEqual(expect.arrayContaining(Object.keys(secrets)))
    expect(readSettings({ ...env, ...secrets })).toMatchObject({ host: '0.0.0.0', dataFolder: '/data' })
    const text = read(`${KUBERNETES}/orderwire.config.json`)
    const used = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name)
    expect(named).toEqual(expect.arrayContaining(used))
    expect(Config.safeParse(JSON.parse(text)).success).toBe(true)
  })
})

const folder = mkdtempSync(join(tmpdir(), 'orderwire-deploy-'))
afterAll(() => rmSync(folder, { recursive: true }))

// Debian's is too old for this kustomization.
const kubectl = installedTool('kubectl', null)
test.skipIf(kubectl === null)('kustomize builds the manifests, and everything in them is valid', () => {
  const copy = join(folder, basename(KUBERNETES))
  cpSync(join(root, KUBERNETES), copy, { recursive: true })
  renameSync(join(copy, 'secret.env.example'), join(copy, 'secret.env'))
  const built = documentsOf(execFileSync(kubectl ?? '', ['kustomize', copy], { encoding: 'utf8' }))
  expect(built.map(({ kind }) => kind).sort()).toEqual([
    ...['ConfigMap', 'ConfigMap', 'Deployment', 'Deployment', 'Deployment', 'Namespace', 'NetworkPolicy'],
    ...['PodDisruptionBudget', 'PodDisruptionBudget', 'PodDisruptionBudget', 'Secret', 'Service', 'ServiceAccount'],
  ])
  for (const each of built) KINDS[each.kind]?.(each as never).validate()
  const images = built.flatMap(each => (each.kind === 'Deployment' ? Workload.parse(each) : []))
  expect(new Set(images.map(({ spec }) => spec.template.spec.containers[0].image))).toEqual(
    new Set(['registry.example.com/orderwire:1.0.0']),
  )
})

const UNIT = 'deploy/systemd/orderwire.service'

test('the systemd unit sets variables and runs a command that the program knows, and stops it after its own time', () => {
  const unit = read(UNIT)
  const [, environment = ''] = /^Environment=(.*)$/m.exec(unit) ?? []
  const set = environment.split(' ').map(pair => pair.split('=')[0] ?? '')
  expect(set.filter(name => !variables.has(name) && !foreign.includes(name))).toEqual([])
  expect(unit).toMatch(/^ExecStart=\/opt\/orderwire\/node_modules\/\.bin\/orderwire start$/m)
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(12)
  expect(unit).toMatch(/^RestartPreventExitStatus=2$/m)
})

const systemd = installedTool('systemd-analyze', 'systemd')
test.skipIf(systemd === null)('systemd understands the unit, and rates its exposure below 2 of 10', () => {
  const unit = join(folder, 'orderwire.service')
  writeFileSync(unit, read(UNIT).replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'))
  const said = execFileSync(systemd ?? '', ['verify', unit], { encoding: 'utf8', stdio: 'pipe' })
  expect(said).toBe('')
  const rating = execFileSync(systemd ?? '', ['security', '--offline=true', unit], { encoding: 'utf8' })
  expect(Number(/exposure level for \S+: ([\d.]+)/.exec(rating)?.[1])).toBeLessThan(2)
})
