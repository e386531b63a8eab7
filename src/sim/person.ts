/** A person of a simulated world: an owner and a production node. */
import { SluiceError } from '../core/errors.js'
import { Node } from '../engine/node.js'
import type { Ledger, Sleep } from '../engine/ports.js'
import type { Life } from './life.js'
import { overheard } from './overheard.js'
import { type Ground, type Means, type Program, Resident } from './resident.js'

export type PersonOptions = {
  readonly name: string
  readonly honest: boolean
  /** What its account is filled with. */
  readonly funds: bigint
  readonly exposureMax: bigint | undefined
  /** Multiaddr of its watchtower. */
  readonly tower: string | undefined
  /** Seconds of each challenge window of the channels it proposes. */
  readonly challengePeriod: bigint | undefined
  /** The owner's word on channels that others offer. */
  readonly accept: (() => boolean) | undefined
  /** The layer as a liar's node is to see it. */
  readonly layer: ((ledger: Ledger) => Ledger) | undefined
  /** What the owner does while the node lives; it ends with the node. */
  readonly live: (person: Person, own: Own) => void
}

/** What an owner has for one life of the node. */
export type Own = { readonly node: Node; readonly sleep: Sleep; readonly life: Life }

export class Person extends Resident {
  readonly honest: boolean
  readonly tower: string | undefined
  readonly #options: PersonOptions
  #own: Own | undefined
  #node: Node | undefined

  constructor(ground: Ground, options: PersonOptions) {
    super(ground, options.name)
    this.#options = options
    const { name, honest, funds, exposureMax, tower } = options
    this.honest = honest
    this.tower = tower
    const { crypto, witness } = ground
    witness.add({
      name,
      honest,
      funds,
      exposureMax,
      tower,
      signer: crypto.secp256k1.publicAddress(this.keys.signing),
      account: this.account,
    })
  }

  /** The node, while it lives. */
  get own(): Own | undefined {
    return this.isUp ? this.#own : undefined
  }

  protected boot(means: Means): Program {
    const { chance, crypto, witness } = this.ground
    // A tower binds itself to nothing by what it shows; a node has signed it.
    const ledger = overheard(means.ledger, this.name, witness)
    const { exposureMax, challengePeriod, accept, layer, tower } = this.#options
    const node = new Node({
      ...means,
      ledger: layer?.(ledger) ?? ledger,
      crypto,
      random: (size) => chance.bytes(size),
      keys: this.keys,
      exposureMax,
      tower,
      challengePeriod,
      accept,
    })
    node.events.on('problem', (error) => this.problem(means.life, error))
    this.#node = node
    this.#own = undefined
    return node
  }

  protected started({ life, sleep }: Means): void {
    if (this.#node === undefined) return
    this.#own = { node: this.#node, sleep, life }
    this.#options.live(this, this.#own)
  }

  /** What an owner's command failed with: a typed error, or a bug. */
  failed(error: unknown): string {
    if (error instanceof SluiceError) return error.code
    if (this.honest && this.isUp)
      this.ground.witness.fail('typed-errors', `${this.name}: ${String(error).slice(0, 200)}`)
    return 'UNTYPED'
  }
}
