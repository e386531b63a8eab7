import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as Channel from '../../src/core/channel.js'
import type { Complete } from '../../src/core/complete.js'
import * as Counted from '../../src/core/counted.js'
import type { Message } from '../../src/core/message.js'
import * as State from '../../src/core/state.js'
import type { Update } from '../../src/core/update.js'
import * as World from './support/channel-world.js'
import * as Signatures from './support/signatures.js'

/** A channel that all sides see live. */
function liveWorld(seats = 2): World.World {
  const world = World.create(seats)
  World.begin(world)
  World.heal(world)
  for (const channel of world.channels) expect(channel?.phase).toBe('live')
  return world
}

const channelOf = (world: World.World, side: World.Side): Channel.Channel => {
  const channel = world.channels[side]
  if (channel === undefined) throw new Error(`side ${side} has no channel`)
  return channel
}

const completeOf = (world: World.World, side: World.Side): Complete => {
  const { complete } = channelOf(world, side)
  if (complete === undefined) throw new Error(`side ${side} has no complete state`)
  return complete
}

const seal = new Uint8Array(32)

/** One step, without any effect on the world. */
const stepOf = (world: World.World, side: World.Side, input: Channel.Input): Channel.Step =>
  Channel.step(World.contextOf(world, side), channelOf(world, side), input)

const propose = (world: World.World, side: World.Side, ...updates: Update[]): void =>
  World.input(world, side, { type: 'propose', updates })

const change = (world: World.World, side: World.Side, ...updates: Update[]): void => {
  propose(world, side, ...updates)
  World.settle(world)
}

const laneOpen = (payer: World.Side, reserved: bigint): Update & { type: 'lane-open' } => ({
  type: 'lane-open',
  payer,
  payee: payer === 0 ? 1 : 0,
  asset: 0,
  reserved,
  sessionKey: World.signers[payer] ?? '0x',
})

const codes = (step: Channel.Step): string[] =>
  step.effects.flatMap((effect) => ('code' in effect ? [`${effect.type} ${effect.code}`] : []))

/** The first message on its way to a side. */
const incoming = (world: World.World, side: World.Side): Message => {
  const letter = world.queues[side]?.[0]
  if (letter === undefined) throw new Error(`nothing is on its way to side ${side}`)
  return letter.message
}

const sent = (step: Channel.Step): Message[] =>
  step.effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))

describe('a channel', () => {
  it('lives from opening to close, and pays what was folded', () => {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 300n))
    expect(completeOf(world, 1).body.outcome.balances).toEqual([[700n], [400n]])
    world.promised.set(0n, 120n)
    world.accepted.set(0n, 120n)
    change(world, 1, { type: 'fold', lane: 0n, claim: 120n })
    expect(completeOf(world, 0).body.outcome.balances).toEqual([[700n], [520n]])
    change(world, 0, { type: 'lane-close', lane: 0n, claim: 120n }, { type: 'final' })
    expect(world.channels.map((channel) => channel?.phase)).toEqual(['closing', 'closing'])
    expect(completeOf(world, 0)).toEqual(completeOf(world, 1))
    expect(completeOf(world, 0)).toMatchObject({ version: 3n, kind: 1 })
    expect(completeOf(world, 0).body.outcome.balances).toEqual([[880n], [520n]])
    World.heal(world)
    expect(world.channels.map((channel) => channel?.phase)).toEqual(['closed', 'closed'])
  })

  it('is funded in any order, by the seat that saw it open as well', () => {
    const world = World.create()
    World.begin(world)
    World.settle(world)
    expect(world.channels.map((channel) => channel?.phase)).toEqual(['funding', 'funding'])
    World.look(world, 1)
    expect(world.ledger.deposited).toEqual([[0n], [400n]])
    expect(world.ledger.status).toBe('funding')
    World.look(world, 0)
    expect(world.ledger.status).toBe('live')
  })

  it('signs nothing before it is live', () => {
    const world = World.create()
    World.begin(world)
    World.settle(world)
    const step = stepOf(world, 0, { type: 'propose', updates: [laneOpen(0, 1n)] })
    expect(codes(step)).toEqual(['refused NOT_LIVE'])
    expect(step.channel).toBe(channelOf(world, 0))
  })

  it('changes no more once its final state is signed', () => {
    const world = liveWorld()
    change(world, 1, { type: 'final' })
    const step = stepOf(world, 0, { type: 'propose', updates: [laneOpen(0, 1n)] })
    expect(codes(step)).toEqual(['refused NOT_LIVE'])
  })

  it('stays closed when the state that closed it comes after the payout', () => {
    const world = liveWorld()
    propose(world, 0, { type: 'final' })
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'deliver', side: 0, at: 0 })
    expect(world.ledger.status).toBe('closed')
    World.look(world, 1)
    const [message] = Channel.greet(channelOf(world, 0), 1)
    if (message === undefined) throw new Error('a channel has something to show')
    expect(stepOf(world, 1, { type: 'message', from: 0, message }).channel.phase).toBe('closed')
  })

  it('makes one change at a time', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 1n))
    const step = stepOf(world, 0, { type: 'propose', updates: [laneOpen(0, 2n)] })
    expect(codes(step)).toEqual(['refused BUSY'])
  })
})

describe('a channel offered', () => {
  const offerOf = (parameters: typeof World.parameters, seat: World.Side) => {
    const world = World.create()
    const step = Channel.propose(World.contextOf(world, seat), parameters, seat)
    return { world, offer: sent(step)[0] as Message & { type: 'open' } }
  }

  it('is not accepted on our own signature', () => {
    const { world, offer } = offerOf(World.parameters, 0)
    // A peer reflects our offer: the signature in it is ours, and of our seat.
    expect(() => Channel.accept(World.contextOf(world, 0), offer, 0)).toThrow(
      expect.objectContaining({ code: 'BAD_SIGNATURE' }),
    )
  })

  it('is not accepted with a signature for other parameters', () => {
    const { world, offer } = offerOf(World.parameters, 0)
    const dearer = { ...World.parameters, deposits: [[1_000n], [401n]] }
    expect(() =>
      Channel.accept(World.contextOf(world, 1), { ...offer, parameters: dearer }, 1),
    ).toThrow(expect.objectContaining({ code: 'BAD_SIGNATURE' }))
  })

  it('is dead when the peer refuses it', () => {
    const world = World.create()
    World.begin(world)
    const channelId = channelOf(world, 0).id
    const problem = { code: 'NOT_WANTED', message: 'no' }
    const message: Message = { type: 'refuse', channelId, version: 0n, attempt: 0, ...problem }
    const step = stepOf(world, 0, { type: 'message', from: 1 - 0, message })
    expect(step.channel.phase).toBe('dead')
    expect(codes(step)).toEqual(['dropped NOT_WANTED'])
  })
})

describe('a channel that is never funded', () => {
  it('is dead when nobody opened it in time', () => {
    const world = World.create()
    World.begin(world)
    world.queues[1] = []
    world.time = World.parameters.fundBy
    World.look(world, 0)
    expect(channelOf(world, 0).phase).toBe('opening')
    world.time += 1n
    World.look(world, 0)
    expect(channelOf(world, 0).phase).toBe('dead')
  })

  it('refunds our deposit before it is dead, however often that takes', () => {
    const world = World.create()
    World.begin(world)
    World.settle(world)
    World.look(world, 1)
    world.ledger.status = 'dead'
    const view = { ...world.ledger }
    for (let n = 0; n < 2; n++) {
      const step = stepOf(world, 1, { type: 'ledger', view, time: 2_000n })
      expect(step.channel.phase).toBe('funding')
      expect(step.effects).toContainEqual({ type: 'submit', call: 'refund' })
      expect(step.channel.calls).toEqual(['refund'])
    }
    World.look(world, 1)
    expect(world.ledger.withdrawn).toEqual([[0n], [400n]])
    World.look(world, 1)
    expect(channelOf(world, 1)).toMatchObject({ phase: 'dead', calls: [] })
    World.look(world, 0)
    expect(channelOf(world, 0).phase).toBe('dead')
  })

  it('is waited for when the layer knows it though the answer to our offer was lost', () => {
    const world = World.create()
    World.begin(world)
    const view = { ...world.ledger }
    const step = stepOf(world, 0, { type: 'ledger', view, time: World.parameters.fundBy + 1n })
    expect(step.channel.phase).toBe('opening')
  })
})

describe('when both seats propose at once', () => {
  it('the proposal of the lower seat wins, and the other is told its own was dropped', () => {
    const world = liveWorld()
    propose(world, 1, laneOpen(1, 5n))
    propose(world, 0, laneOpen(0, 7n))
    const message = incoming(world, 1)
    const step = stepOf(world, 1, { type: 'message', from: 1 - 1, message })
    expect(codes(step)).toEqual(['dropped BUSY'])
    World.settle(world)
    for (const side of [0, 1] as const)
      expect(completeOf(world, side).body.lanes).toMatchObject([{ payer: 0, reserved: 7n }])
  })

  it("and the lower seat's is refused, the other one is taken up again", () => {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    world.promised.set(0n, 50n)
    propose(world, 0, { type: 'fold', lane: 0n, claim: 40n })
    world.accepted.set(0n, 50n)
    propose(world, 1, laneOpen(1, 5n))
    World.settle(world)
    for (const side of [0, 1] as const) {
      expect(channelOf(world, side).proposals).toEqual([])
      expect(completeOf(world, side).body.lanes).toMatchObject([{ folded: 0n }, { reserved: 5n }])
    }
  })
})

describe('a refusal', () => {
  /** Side 0 proposed a fold below what side 1 holds, and side 1 refused it. */
  function refusedWorld() {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    world.promised.set(0n, 50n)
    world.accepted.set(0n, 50n)
    propose(world, 0, { type: 'fold', lane: 0n, claim: 40n })
    const proposal = incoming(world, 1)
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    const refusal = incoming(world, 0)
    World.settle(world)
    expect(channelOf(world, 0).proposals).toEqual([])
    return { world, proposal, refusal }
  }

  it('drops its own proposal, and no later one of the same version', () => {
    const { world, refusal } = refusedWorld()
    propose(world, 0, { type: 'fold', lane: 0n, claim: 50n })
    World.input(world, 0, { type: 'message', from: 1 - 0, message: refusal })
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ folded: 50n }])
  })

  it('is for good: the proposal is not signed when it turns up again', () => {
    const { world, proposal } = refusedWorld()
    world.accepted.set(0n, 0n)
    const step = stepOf(world, 1, { type: 'message', from: 1 - 1, message: proposal })
    expect(codes(step)).toEqual(['refused REFUSED_BEFORE'])
    expect(sent(step)).toMatchObject([{ type: 'refuse', version: 2n, attempt: 1 }])
  })

  it('is known to a seat on an older disk: what it proposes next is not taken for what was refused', () => {
    const { world } = refusedWorld()
    World.act(world, { type: 'restore', side: 0, back: 2 })
    expect(channelOf(world, 0)).toMatchObject({ attempts: [0, 0], proposals: [] })
    World.settle(world)
    change(world, 0, { type: 'fold', lane: 0n, claim: 50n })
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ folded: 50n }])
  })

  it('takes the complete state that came with the proposal all the same', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 100n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'deliver', side: 0, at: 0 })
    // The last signature gets lost; the next proposal brings it, and is refused.
    World.act(world, { type: 'lose', side: 1, at: 0 })
    world.accepted.set(0n, 50n)
    world.promised.set(0n, 50n)
    propose(world, 0, { type: 'fold', lane: 0n, claim: 40n })
    World.settle(world)
    for (const side of [0, 1] as const) {
      expect(completeOf(world, side).version).toBe(1n)
      expect(channelOf(world, side).proposals).toEqual([])
    }
  })
})

describe('an ok', () => {
  it('to a proposal that was taken back is none to the next one, though it says the same', () => {
    const world = liveWorld(3)
    propose(world, 0, laneOpen(0, 7n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.input(world, 0, { type: 'drop' })
    propose(world, 0, laneOpen(0, 7n))
    while (world.queues[2]?.length) World.act(world, { type: 'deliver', side: 2, at: 0 })
    while (world.queues[0]?.length) World.act(world, { type: 'deliver', side: 0, at: 0 })
    // Side 1 has not seen this one, and may refuse it: signed, nothing else could follow.
    expect(channelOf(world, 0).proposals).toMatchObject([{ attempt: 2, oks: [2] }])
    expect(channelOf(world, 0).proposals[0]?.signatures).toEqual([undefined, undefined, undefined])
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ reserved: 7n }])
  })
})

describe('a proposal that was taken back', () => {
  it('stands all the same once it is signed', () => {
    const world = liveWorld(3)
    propose(world, 0, laneOpen(0, 7n))
    for (const side of [1, 2, 0, 0]) World.act(world, { type: 'deliver', side, at: 0 })
    const [ours] = channelOf(world, 0).proposals
    expect(ours?.signatures[0]).toBeDefined()
    World.input(world, 0, { type: 'drop' })
    expect(channelOf(world, 0).proposals).toEqual([ours])
    // Others may make it complete without us, and nothing else may then bear our name.
    const other = stepOf(world, 0, { type: 'propose', updates: [laneOpen(0, 8n)] })
    expect(codes(other)).toEqual(['refused BUSY'])
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ reserved: 7n }])
  })

  it('takes none of a later version with it, however late that is heard', () => {
    const world = liveWorld(3)
    change(world, 0, laneOpen(0, 7n))
    propose(world, 0, laneOpen(0, 8n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    const { id: channelId } = channelOf(world, 1)
    const late: Message = { type: 'drop', channelId, version: 1n, attempt: 1 }
    World.input(world, 1, { type: 'message', from: 0, message: late })
    expect(channelOf(world, 1).proposals).toMatchObject([{ version: 2n }])
    World.settle(world)
    expect(completeOf(world, 1).version).toBe(2n)
  })
})

describe('a lane', () => {
  it('is opened by its payer alone: nobody puts our money under a key of theirs', () => {
    const world = liveWorld()
    propose(world, 0, { ...laneOpen(1, 300n), sessionKey: World.signers[0] ?? '0x' })
    const proposal = incoming(world, 1)
    const step = stepOf(world, 1, { type: 'message', from: 1 - 1, message: proposal })
    expect(codes(step)).toEqual(['refused FOREIGN_LANE'])
    expect(sent(step)).toMatchObject([{ type: 'refuse', code: 'FOREIGN_LANE' }])
    expect(step.channel.proposals).toEqual([])
  })
})

describe('a lane that is not worth redeeming', () => {
  it('is opened by neither of the two', () => {
    const world = liveWorld()
    const stingy = (side: World.Side): Channel.Context => ({
      ...World.contextOf(world, side),
      synced: true,
      reserveMin: () => 30n,
    })
    const wanted = { type: 'propose', updates: [laneOpen(0, 29n)] } as const
    expect(codes(Channel.step(stingy(0), channelOf(world, 0), wanted))).toEqual([
      'refused LANE_TOO_SMALL',
    ])
    World.input(world, 0, wanted)
    const input = { type: 'message', from: 0, message: incoming(world, 1) } as const
    expect(codes(Channel.step(stingy(1), channelOf(world, 1), input))).toEqual([
      'refused LANE_TOO_SMALL',
    ])
  })
})

describe('a version that is signed', () => {
  it('is signed once: other content is refused, the same is answered again', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 100n))
    const first = incoming(world, 1) as Message & { type: 'propose' }
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    const other: Message = { ...first, attempt: 2, updates: [laneOpen(0, 99n)] }
    const again = stepOf(world, 1, { type: 'message', from: 1 - 1, message: first })
    expect(sent(again)).toMatchObject([{ type: 'agree', version: 1n }])
    const step = stepOf(world, 1, { type: 'message', from: 1 - 1, message: other })
    expect(codes(step)).toEqual(['refused VERSION_TAKEN'])
    expect(step.channel.proposals).toEqual(channelOf(world, 1).proposals)
  })

  it('is shown to a peer that proposes it anew', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 100n))
    const old = incoming(world, 1)
    World.settle(world)
    const step = stepOf(world, 1, { type: 'message', from: 1 - 1, message: old })
    expect(sent(step)).toMatchObject([{ type: 'sync', complete: { version: 1n } }])
    expect(step.channel).toBe(channelOf(world, 1))
  })
})

describe('a seat on an older disk', () => {
  /** Side 0 has signed what side 1 proposed; the answer was lost, and so was the write. */
  function forgetfulWorld(): World.World {
    const world = liveWorld()
    propose(world, 1, laneOpen(1, 5n))
    World.act(world, { type: 'deliver', side: 0, at: 0, crash: true })
    World.act(world, { type: 'restore', side: 0, back: 1 })
    expect(channelOf(world, 0).proposals).toEqual([])
    return world
  }

  it('proposes nothing before the other has shown what it holds', () => {
    const world = forgetfulWorld()
    const wanted = { type: 'propose', updates: [laneOpen(0, 7n)] } as const
    expect(codes(stepOf(world, 0, wanted))).toEqual(['refused BUSY'])
    World.input(world, 0, wanted)
    // Had it proposed, its seat would win, and it would sign another content of this version.
    while (world.queues[1]?.length) World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ payer: 1, reserved: 5n }])
    expect(completeOf(world, 0)).toEqual(completeOf(world, 1))
  })

  it('takes up a proposal of its own that it has forgotten, by its seal', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 7n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'restore', side: 0, back: 1 })
    expect(channelOf(world, 0).proposals).toEqual([])
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ payer: 0, reserved: 7n }])
  })

  it('takes up one that closes a lane with a promise which it has forgotten and nobody has heard', () => {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    world.promised.set(0n, 60n)
    world.accepted.set(0n, 50n)
    propose(world, 0, { type: 'lane-close', lane: 0n, claim: 60n })
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    const message = incoming(world, 0)
    World.act(world, { type: 'restore', side: 0, back: 1 })
    world.promised.set(0n, 50n)
    const step = stepOf(world, 0, { type: 'message', from: 1, message })
    expect(codes(step)).toEqual([])
    expect(step.channel.proposals).toMatchObject([{ proposer: 0, updates: [{ claim: 60n }] }])
  })

  it('takes from its tower no signature that is none, where the last one makes a state complete', () => {
    const world = liveWorld()
    propose(world, 1, laneOpen(1, 5n))
    World.act(world, { type: 'deliver', side: 0, at: 0 })
    const [pending] = channelOf(world, 0).proposals
    if (pending === undefined) throw new Error('nothing is signed')
    World.act(world, { type: 'restore', side: 0, back: 1 })
    const complete = completeOf(world, 0)
    const restored = (theirs: Uint8Array | undefined): Channel.Step =>
      stepOf(world, 0, {
        type: 'restore',
        complete,
        pending: { ...pending, signatures: pending.signatures.with(1, theirs) },
      })
    expect(codes(restored(new Uint8Array(65)))).toEqual(['refused BAD_SIGNATURE'])
    expect(restored(undefined).channel.proposals).toEqual([pending])
  })

  it('takes up none that it has forgotten once it has signed another', () => {
    const world = liveWorld(3)
    propose(world, 0, laneOpen(0, 7n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    const late = incoming(world, 0)
    expect(late.type).toBe('agree')
    World.act(world, { type: 'restore', side: 0, back: 1 })
    // Side 1 says it again, and it gets lost.
    const at = world.queues[0]?.findIndex(({ message }) => message.type === 'agree') ?? -1
    World.act(world, { type: 'lose', side: 0, at })
    World.settle(world)
    propose(world, 2, laneOpen(2, 5n))
    for (const side of [0, 1, 2, 2, 0]) World.act(world, { type: 'deliver', side, at: 0 })
    const [theirs] = channelOf(world, 0).proposals
    expect(theirs?.signatures[0]).toBeDefined()
    const step = stepOf(world, 0, { type: 'message', from: 1, message: late })
    expect(codes(step)).toEqual(['refused UNEXPECTED'])
    expect(step.channel.proposals).toEqual([theirs])
  })

  it('takes up none that a peer made up in its name', () => {
    const world = liveWorld()
    const { id: channelId } = channelOf(world, 0)
    const updates = [{ ...laneOpen(0, 900n), sessionKey: World.signers[1] ?? '0x' }]
    const draft = { channelId, version: 1n, attempt: 3, seal, updates }
    for (const signature of [undefined, Signatures.sign(World.signers[1] ?? '0x', seal)]) {
      const message: Message = { type: 'agree', ...draft, signature }
      const step = stepOf(world, 0, { type: 'message', from: 1, message })
      expect(step.channel).toBe(channelOf(world, 0))
      expect(codes(step)).toHaveLength(1)
    }
  })
})

describe('what a watchtower has kept', () => {
  /** Three seats, of which 1 has proposed and signed; side 0 has signed as well, and so far nobody else. */
  function signedWorld() {
    const world = liveWorld(3)
    propose(world, 1, laneOpen(1, 5n))
    for (const side of [0, 2, 1, 1, 0]) World.act(world, { type: 'deliver', side, at: 0 })
    const { complete, proposals } = channelOf(world, 0)
    const [pending] = proposals
    if (complete === undefined || pending === undefined) throw new Error('nothing is signed')
    expect(pending.signatures.map((each) => each !== undefined)).toEqual([true, true, false])
    return { world, kept: { type: 'restore', complete, pending } as const }
  }

  it('binds a seat on an older disk to what it has signed', () => {
    const { world, kept } = signedWorld()
    World.act(world, { type: 'restore', side: 0, back: 2 })
    expect(channelOf(world, 0).proposals).toEqual([])
    World.input(world, 0, kept)
    expect(channelOf(world, 0).proposals).toEqual([kept.pending])
    World.heal(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ payer: 1, reserved: 5n }])
  })

  it('binds nobody to what it has not signed', () => {
    const { world, kept } = signedWorld()
    World.act(world, { type: 'restore', side: 0, back: 2 })
    const updates = [laneOpen(1, 6n)]
    const step = stepOf(world, 0, { ...kept, pending: { ...kept.pending, updates } })
    expect(codes(step)).toEqual(['refused BAD_SIGNATURE'])
    expect(step.channel).toBe(channelOf(world, 0))
  })

  it('takes no signature from a seat that has more', () => {
    const { world, kept } = signedWorld()
    const signatures = kept.pending.signatures.with(1, undefined)
    const step = stepOf(world, 0, { ...kept, pending: { ...kept.pending, signatures } })
    expect(step).toEqual({ channel: channelOf(world, 0), effects: [] })
  })

  it('is nothing to a seat that has come further, and no cause for alarm', () => {
    const { world, kept } = signedWorld()
    World.settle(world)
    expect(completeOf(world, 0).version).toBe(1n)
    expect(stepOf(world, 0, kept)).toEqual({ channel: channelOf(world, 0), effects: [] })
  })
})

describe('resizing', () => {
  it('counts no deposit that the layer does not hold', () => {
    const world = liveWorld()
    const topUp: Update = { type: 'top-up', seat: 0, asset: 0, amount: 50n }
    expect(codes(stepOf(world, 0, { type: 'propose', updates: [topUp] }))).toEqual([
      'refused NOT_DEPOSITED',
    ])
    World.act(world, { type: 'deposit', side: 0, amount: 50 })
    World.look(world, 0)
    change(world, 0, topUp)
    expect(completeOf(world, 1).body.outcome).toMatchObject({
      balances: [[1_050n], [400n]],
      deposited: [[1_050n], [400n]],
    })
  })

  it('leaves free what is free before it and after it', () => {
    const world = liveWorld()
    const free = (): bigint => Counted.balance(channelOf(world, 0))
    World.act(world, { type: 'deposit', side: 0, amount: 50 })
    World.look(world, 0)
    propose(world, 0, { type: 'top-up', seat: 0, asset: 0, amount: 50n })
    expect(free()).toBe(1_000n)
    World.settle(world)
    expect(free()).toBe(1_050n)
    propose(world, 0, { type: 'withdraw', seat: 0, asset: 0, amount: 80n })
    expect(free()).toBe(970n)
    World.settle(world)
    expect(free()).toBe(970n)
  })

  it('withdraws for whoever proposes it, and for nobody else', () => {
    const world = liveWorld()
    const take = (seat: number): Update => ({ type: 'withdraw', seat, asset: 0, amount: 100n })
    change(world, 0, take(1))
    expect(completeOf(world, 0).version).toBe(0n)
    change(world, 0, take(0))
    expect(completeOf(world, 1).body.outcome).toMatchObject({
      balances: [[900n], [400n]],
      withdrawn: [[100n], [0n]],
    })
    expect(world.ledger.withdrawn).toEqual([[100n], [0n]])
    World.look(world, 0)
    expect(channelOf(world, 0).calls).toEqual([])
  })
})

describe('a withdrawal', () => {
  it('is asked of the layer with the next state, when that comes before the layer has it', () => {
    const world = liveWorld()
    propose(world, 0, { type: 'withdraw', seat: 0, asset: 0, amount: 30n })
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'deliver', side: 0, at: 0, crash: true })
    World.settle(world)
    expect(completeOf(world, 0).version).toBe(1n)
    expect(world.ledger.withdrawn).toEqual([[0n], [0n]])
    change(world, 1, laneOpen(1, 5n))
    expect(channelOf(world, 0).calls).toEqual(['withdraw'])
    expect(world.ledger.withdrawn).toEqual([[30n], [0n]])
  })
})

describe('while challenged', () => {
  function challengedWorld(): World.World {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    World.act(world, { type: 'challenge', side: 1 })
    for (const side of world.sides) World.look(world, side)
    return world
  }

  it('only its end is signed, and no credit is given', () => {
    const world = challengedWorld()
    expect(Counted.payable(channelOf(world, 1), 0n)).toBe(0n)
    const step = stepOf(world, 0, { type: 'propose', updates: [laneOpen(0, 1n)] })
    expect(codes(step)).toEqual(['refused CHALLENGED'])
  })

  it('a resume ends it, and the channel lives on', () => {
    const world = challengedWorld()
    change(world, 0, { type: 'resume' })
    expect(completeOf(world, 1)).toMatchObject({ version: 2n, kind: 2 })
    World.heal(world)
    expect(channelOf(world, 1).phase).toBe('live')
    change(world, 1, laneOpen(1, 5n))
    expect(completeOf(world, 0)).toMatchObject({ version: 3n, kind: 0 })
  })

  it('one resume is signed and no second on top of it, before the layer has looked at the first', () => {
    const world = challengedWorld()
    change(world, 0, { type: 'resume' })
    const updates: Update[] = [{ type: 'resume' }]
    expect(codes(stepOf(world, 0, { type: 'propose', updates }))).toEqual(['refused RESUMED'])
    const { id: channelId, complete: latest = completeOf(world, 0) } = channelOf(world, 0)
    const draft = { channelId, version: 3n, attempt: 1, seal, updates, latest }
    const message: Message = { type: 'propose', ...draft, signature: undefined }
    const step = stepOf(world, 1, { type: 'message', from: 0, message })
    expect(codes(step)).toEqual(['refused RESUMED'])
  })

  it('by the state that ended a challenge, nothing is asked that the layer would refuse', () => {
    const world = challengedWorld()
    change(world, 0, { type: 'resume' })
    World.heal(world)
    World.act(world, { type: 'challenge', side: 1 })
    World.look(world, 0)
    expect(channelOf(world, 0)).toMatchObject({ phase: 'challenged', calls: [] })
  })

  it('what the other of two may have signed before is not given up', () => {
    const world = liveWorld()
    propose(world, 0, laneOpen(0, 7n))
    World.act(world, { type: 'deliver', side: 1, at: 0 })
    World.act(world, { type: 'challenge', side: 1 })
    const { view, time } = { view: { ...world.ledger }, time: world.time }
    expect(codes(stepOf(world, 0, { type: 'ledger', view, time }))).toEqual([])
    World.look(world, 0)
    World.settle(world)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ reserved: 7n }])
  })

  it('a final state closes it', () => {
    const world = challengedWorld()
    change(world, 0, { type: 'lane-close', lane: 0n, claim: 0n }, { type: 'final' })
    World.heal(world)
    expect(world.channels.map((channel) => channel?.phase)).toEqual(['closed', 'closed'])
  })
})

describe('claims', () => {
  /** A lane 0 → 1 of which 60 are promised, and 50 are held. */
  function paidWorld(): World.World {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    world.promised.set(0n, 60n)
    world.accepted.set(0n, 50n)
    return world
  }

  const outcomeOf = (side: World.Side, update: Update, synced = true): string[] => {
    const world = paidWorld()
    const from = side === 0 ? 1 : 0
    const { version } = completeOf(world, 0)
    const message: Message = {
      type: 'propose',
      channelId: channelOf(world, side).id,
      version: version + 1n,
      attempt: 1,
      seal,
      updates: [update],
      latest: completeOf(world, from),
      signature: undefined,
    }
    const context = { ...World.contextOf(world, side), synced }
    const input = { type: 'message', from: 1 - side, message } as const
    return codes(Channel.step(context, channelOf(world, side), input))
  }

  it.each(['fold', 'lane-close'] as const)('a %s is within them, or refused', (type) => {
    expect(outcomeOf(1, { type, lane: 0n, claim: 49n })).toEqual(['refused UNDER_FOLD'])
    expect(outcomeOf(1, { type, lane: 0n, claim: 50n })).toEqual([])
    expect(outcomeOf(0, { type, lane: 0n, claim: 60n })).toEqual([])
    expect(outcomeOf(0, { type, lane: 0n, claim: 61n })).toEqual(['refused OVER_CLAIM'])
    expect(outcomeOf(0, { type, lane: 9n, claim: 0n })).toEqual(['refused BAD_UPDATE'])
  })

  it('that are on their way are waited for before a lane closes, and may be folded later', () => {
    const claim = { lane: 0n, claim: 50n }
    expect(outcomeOf(0, { type: 'lane-close', ...claim })).toEqual(['refused UNDER_CLAIM'])
    // Nor does a payer agree that has just started: it may have had time to promise more than has arrived.
    expect(outcomeOf(0, { type: 'lane-close', ...claim }, false)).toEqual(['refused UNDER_CLAIM'])
    expect(outcomeOf(0, { type: 'fold', ...claim })).toEqual([])
  })

  it('bind our own proposals too', () => {
    const world = paidWorld()
    const fold = (claim: bigint): Channel.Input => ({
      type: 'propose',
      updates: [{ type: 'fold', lane: 0n, claim }],
    })
    expect(codes(stepOf(world, 0, fold(61n)))).toEqual(['refused OVER_CLAIM'])
    expect(codes(stepOf(world, 1, fold(49n)))).toEqual(['refused UNDER_FOLD'])
  })
})

describe('a lane that is to be closed', () => {
  it.each<World.Side>([0, 1])(
    'by seat %d pays no more than it closes with, until that is dropped',
    (side) => {
      const world = liveWorld()
      change(world, 0, laneOpen(0, 100n))
      const payable = (): bigint => Counted.payable(channelOf(world, 1), 0n)
      expect(payable()).toBe(100n)
      world.promised.set(0n, 60n)
      world.accepted.set(0n, 60n)
      propose(world, side, { type: 'lane-close', lane: 0n, claim: 60n })
      if (side === 0) World.act(world, { type: 'deliver', side: 1, at: 0 })
      // Not complete yet, and the payer may take its time: what it pays now it would never have to settle.
      expect(payable()).toBe(60n)
      if (side === 0) expect(Counted.reliable(channelOf(world, 0), 0n)?.reserved).toBe(60n)
      World.settle(world)
      expect(payable()).toBe(0n)
    },
  )

  it('by two seats that do not agree pays the lesser of both', () => {
    const world = liveWorld(3)
    change(world, 0, laneOpen(0, 100n))
    world.promised.set(0n, 70n)
    world.accepted.set(0n, 60n)
    propose(world, 0, { type: 'lane-close', lane: 0n, claim: 70n })
    propose(world, 2, { type: 'lane-close', lane: 0n, claim: 60n })
    const letters = world.queues[1] ?? []
    expect(letters).toHaveLength(2)
    // In whichever order they come: either may become the next state.
    for (const each of [letters, letters.toReversed()]) {
      const told = each.reduce(
        (channel, letter) =>
          Channel.step(World.contextOf(world, 1), channel, { type: 'message', ...letter }).channel,
        channelOf(world, 1),
      )
      expect(told.proposals).toHaveLength(2)
      expect(Counted.payable(told, 0n)).toBe(60n)
    }
  })

  it('takes no promise once the layer has closed the channel, whichever state is known here', () => {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    propose(world, 1, { type: 'lane-close', lane: 0n, claim: 0n }, { type: 'final' })
    for (const side of [0, 1] as const) World.act(world, { type: 'deliver', side, at: 0 })
    expect(world.ledger.status).toBe('closed')
    World.look(world, 0)
    expect(completeOf(world, 0).body.lanes).toMatchObject([{ reserved: 100n }])
    expect(Counted.reliable(channelOf(world, 0), 0n)).toBeUndefined()
  })

  it('pays all again when the peer refuses to close it', () => {
    const world = liveWorld()
    change(world, 0, laneOpen(0, 100n))
    propose(world, 1, { type: 'lane-close', lane: 0n, claim: 60n })
    expect(Counted.payable(channelOf(world, 1), 0n)).toBe(60n)
    World.settle(world)
    expect(Counted.payable(channelOf(world, 1), 0n)).toBe(100n)
  })
})

describe('garbage', () => {
  const world = liveWorld()
  change(world, 0, laneOpen(0, 100n))
  propose(world, 0, laneOpen(0, 3n))
  World.act(world, { type: 'deliver', side: 1, at: 0 })
  const channelId = channelOf(world, 0).id
  const complete = completeOf(world, 0)
  const richer = {
    ...complete,
    version: 2n,
    body: { ...complete.body, outcome: { ...complete.body.outcome, balances: [[0n], [1_300n]] } },
  }
  const signature = fc.uint8Array({ minLength: 65, maxLength: 65 })
  const version = fc.constantFrom(0n, 1n, 2n, 3n, 2n ** 64n - 1n)
  const channel = fc.constant(channelId)
  const draft = {
    attempt: fc.nat(3),
    seal: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    updates: fc.constantFrom<readonly Update[]>(
      [],
      [{ type: 'final' }],
      [{ type: 'final' }, { type: 'final' }],
      [laneOpen(0, 10n ** 30n)],
      [{ ...laneOpen(0, 1n), payee: 0 }],
      [{ ...laneOpen(0, 1n), asset: 3 }],
      [{ type: 'fold', lane: 0n, claim: 1n }],
      [{ type: 'lane-close', lane: 7n, claim: 1n }],
    ),
  }

  const messages: fc.Arbitrary<Message> = fc.oneof(
    fc.record({ type: fc.constant('opened' as const), channelId: channel, signature }),
    fc.record({
      type: fc.constant('agree' as const),
      channelId: channel,
      version,
      ...draft,
      signature: fc.option(signature, { nil: undefined }),
    }),
    fc.record({
      type: fc.constant('complete' as const),
      channelId: channel,
      version,
      signatures: fc.array(signature, { maxLength: 3 }),
    }),
    fc.record({
      type: fc.constant('sync' as const),
      channelId: channel,
      dropped: fc.constant(0),
      refused: fc.constant(0),
      complete: fc.constantFrom(
        undefined,
        complete,
        richer,
        { ...richer, signatures: [] },
        { ...richer, body: { ...complete.body, lanes: [] } },
        { ...richer, body: { outcome: { ...complete.body.outcome, balances: [] }, lanes: [] } },
      ),
    }),
    fc.record({
      type: fc.constant('propose' as const),
      channelId: channel,
      version,
      ...draft,
      latest: fc.constantFrom(complete, richer),
      signature: fc.option(signature, { nil: undefined }),
    }),
    fc.record({
      type: fc.constant('refuse' as const),
      channelId: channel,
      version,
      attempt: fc.constantFrom(0, 2, 9),
      code: fc.string(),
      message: fc.string(),
    }),
    fc.record({ type: fc.constant('synced' as const) }),
    fc.record({ type: fc.constant('bind' as const), channelId: channel, lane: fc.constant(0n) }),
  )

  it('from a peer changes neither state nor proposal, and is never thrown on', () => {
    fc.assert(
      fc.property(messages, fc.constantFrom<World.Side>(0, 1), (message, side) => {
        const before = channelOf(world, side)
        const after = stepOf(world, side, { type: 'message', from: 1 - side, message }).channel
        expect(after).toEqual({ ...before, attempts: after.attempts })
      }),
    )
  })

  it('in our own updates is refused before anything is sent', () => {
    const world = liveWorld()
    for (const update of [laneOpen(0, -1n), { ...laneOpen(0, 1n), payer: 5 }]) {
      const step = stepOf(world, 0, { type: 'propose', updates: [update] })
      expect(codes(step)).toEqual(['refused BAD_UPDATE'])
    }
  })
})

it('an adopted state needs the signature of every seat', () => {
  const world = liveWorld()
  const ours = completeOf(world, 0)
  const body = State.opening(World.parameters)
  const state = {
    channelId: channelOf(world, 0).id,
    version: 1n,
    kind: 0 as const,
    root: State.root(channelOf(world, 0).id, body),
  }
  const digest = State.digest(World.domain, state)
  const forged = World.signers
    .slice(0, 2)
    .map((_, seat) =>
      Signatures.sign(
        seat === 1 ? (World.signers[1] ?? '0x') : Signatures.addressOf('mallory'),
        digest,
      ),
    )
  for (const signatures of [forged, forged.slice(1), [], ours.signatures]) {
    const message: Message = {
      type: 'sync',
      channelId: state.channelId,
      complete: { version: 1n, kind: 0, body, signatures },
      dropped: 0,
      refused: 0,
    }
    const step = stepOf(world, 0, { type: 'message', from: 1 - 0, message })
    expect(codes(step)).toEqual(['refused BAD_SIGNATURE'])
    expect(step.channel).toBe(channelOf(world, 0))
  }
})
