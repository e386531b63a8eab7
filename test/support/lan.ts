/**
 * Computers of their own for processes: network namespaces on one switch, whose cables and paths a test cuts.
 * Nothing of it outlives the test runner, whatever ends that: namespaces live as long as a `cat` in them does.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** Why there are no such computers here; undefined where there are. */
export const lacking: string | undefined = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs Linux and root'
  if (spawnSync('ip', ['-V']).error !== undefined) return 'needs iproute2'
  const works =
    spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'switch', 'type', 'bridge']).status === 0
  return works ? undefined : 'network namespaces are forbidden'
})()

export type Computer = {
  /** Its address, and what goes before a command that runs on it. */
  readonly host: string
  readonly under: readonly string[]
}

type Place = Computer & {
  readonly cat: ChildProcess
  readonly device: string
}

/** Addresses for tests of networks; each LAN takes 256. */
const prefix = (lan: number): string => `198.18.${lan}`
const lansMax = 256
/** Nobody's: what is sent there arrives nowhere, and nobody says so. */
const nowhere = '02:00:00:00:00:01'

export class Lan {
  readonly #number: number
  readonly #switch: ChildProcess
  readonly #places = new Map<string, Place>()

  private constructor(number: number, hub: ChildProcess) {
    this.#number = number
    this.#switch = hub
  }

  /** A switch, this computer under the name `here`, and one more for each name. */
  static async open(names: readonly string[]): Promise<Lan> {
    const hub = await namespace()
    ip(hub, 'link', 'add', 'switch', 'type', 'bridge')
    ip(hub, 'link', 'set', 'switch', 'up')
    const lan = new Lan(connectHere(hub), hub)
    for (const [at, name] of names.entries()) await lan.#add(name, at + 2)
    return lan
  }

  async #add(name: string, at: number): Promise<void> {
    const cat = await namespace()
    const host = `${prefix(this.#number)}.${at}`
    const peer = ['peer', 'name', 'eth0', 'netns', String(cat.pid)]
    ip(this.#switch, 'link', 'add', name, 'type', 'veth', ...peer)
    ip(this.#switch, 'link', 'set', name, 'master', 'switch', 'up')
    ip(cat, 'addr', 'add', `${host}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) ip(cat, 'link', 'set', device, 'up')
    this.#places.set(name, { host, under: within(cat), cat, device: 'eth0' })
  }

  /** This computer's own address. */
  get here(): string {
    return `${prefix(this.#number)}.1`
  }

  computer(name: string): Computer {
    return this.#place(name)
  }

  /** Pulls a computer's cable: it reaches nobody, and is told that its cable is out. */
  unplug(name: string): void {
    ip(this.#switch, 'link', 'set', name, 'down')
  }

  plug(name: string): void {
    ip(this.#switch, 'link', 'set', name, 'up')
  }

  /** Loses everything between two computers, silently; others still reach both. */
  cut(one: string, other: string): void {
    this.#lose(one, other)
    this.#lose(other, one)
  }

  mend(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const)
      this.#neighbour(from, 'del', to)
  }

  #lose(from: string, to: string): void {
    this.#neighbour(from, 'replace', to, 'lladdr', nowhere, 'nud', 'permanent')
  }

  #neighbour(from: string, verb: string, to: string, ...more: string[]): void {
    const { cat, device } = this.#place(from)
    ip(cat, 'neigh', verb, this.#place(to).host, 'dev', device, ...more)
  }

  #place(
    name: string,
  ): Pick<Place, 'host' | 'under' | 'device'> & { cat: ChildProcess | undefined } {
    if (name === 'here')
      return { host: this.here, under: [], device: nameHere(this.#number), cat: undefined }
    const place = this.#places.get(name)
    if (place === undefined) throw new Error(`no computer is called ${name}`)
    return place
  }

  /** Takes everything away again. */
  async close(): Promise<void> {
    for (const { cat } of [...this.#places.values(), { cat: this.#switch }]) {
      cat.stdin?.end()
      await once(cat, 'close')
    }
  }
}

/** A network namespace of its own; it is there once `cat` repeats what it was told. */
async function namespace(): Promise<ChildProcess> {
  const cat = spawn('unshare', ['-n', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  cat.stdin.write('.')
  await once(cat.stdout, 'data')
  return cat
}

const nameHere = (lan: number): string => `sluice-${lan}`

/** Joins this computer to the switch under the first number that no other LAN of this computer has. */
function connectHere(hub: ChildProcess): number {
  for (let lan = 0; lan < lansMax; lan++) {
    const name = nameHere(lan)
    const peer = ['peer', 'name', 'here', 'netns', String(hub.pid)]
    const { status, stderr } = spawnSync('ip', ['link', 'add', name, 'type', 'veth', ...peer])
    if (status !== 0 && String(stderr).includes('File exists')) continue
    if (status !== 0) throw new Error(String(stderr))
    ip(hub, 'link', 'set', 'here', 'master', 'switch', 'up')
    ip(undefined, 'addr', 'add', `${prefix(lan)}.1/24`, 'dev', name)
    ip(undefined, 'link', 'set', name, 'up')
    return lan
  }
  throw new Error('too many LANs')
}

const within = (place: ChildProcess): string[] => ['nsenter', '-t', String(place.pid), '-n']

function ip(place: ChildProcess | undefined, ...args: string[]): void {
  const [program = '', ...rest] = [...(place === undefined ? [] : within(place)), 'ip', ...args]
  execFileSync(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
}
