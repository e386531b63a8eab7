/** Who keeps a production watchtower in a simulated world. */
import { Tower } from '../engine/tower.js'
import { type Ground, type Means, type Program, Resident } from './resident.js'

export class Watchman extends Resident {
  constructor(ground: Ground, name: string) {
    super(ground, name)
    const { crypto, witness } = ground
    witness.add({
      name,
      honest: true,
      funds: 0n,
      exposureMax: undefined,
      tower: undefined,
      signer: crypto.secp256k1.publicAddress(this.keys.signing),
      account: this.account,
    })
  }

  protected boot(means: Means): Program {
    const { crypto } = this.ground
    const tower = new Tower({ ...means, crypto, signing: this.keys.signing })
    tower.events.on('problem', (error) => this.problem(means.life, error))
    tower.events.on('action', ({ action, channelId }) =>
      this.ground.trace.note(`${this.name} ${action.type} ${channelId.slice(0, 10)}`),
    )
    return tower
  }

  protected started(): void {}
}
