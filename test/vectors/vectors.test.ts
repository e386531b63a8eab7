import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as Appointment from '../../src/core/appointment.js'
import type { Address } from '../../src/core/bytes.js'
import * as Chain from '../../src/core/chain.js'
import * as Claim from '../../src/core/claim.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as MultiProof from '../../src/core/multi-proof.js'
import * as Opening from '../../src/core/opening.js'
import * as Parameters from '../../src/core/parameters.js'
import type { Unit } from '../../src/core/price.js'
import * as Quote from '../../src/core/quote.js'
import * as Receipt from '../../src/core/receipt.js'
import * as State from '../../src/core/state.js'
import * as Tick from '../../src/core/tick.js'
import * as Tree from '../../src/core/tree.js'
import * as Voucher from '../../src/core/voucher.js'
import * as Kernel from '../../src/crypto/kernel.js'
import * as LaneTable from '../../src/crypto/lane-table.js'
import * as Verdict from '../../src/crypto/verdict.js'
import { files, vectors } from './generate.js'
import { hex, unhex } from './reference.js'

const all = await vectors()
const kindOf = (kind: number): State.Kind => kind as State.Kind
const laneOf = (lane: (typeof all.state)[number]['body']['lanes'][number]): Lane => ({
  ...lane,
  sessionKey: lane.sessionKey as Lane['sessionKey'],
})

it('the committed files are what the generator prints', async () => {
  const printed = await files()
  const committed = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.json'))
  expect(committed.sort()).toEqual([...printed.keys()].sort())
  for (const [name, content] of printed)
    expect(readFileSync(new URL(name, import.meta.url), 'utf8'), name).toBe(content)
})

it('channel ids', () => {
  for (const { domain, parameters, id } of all.channel)
    expect(Parameters.id(domain, Parameters.check(parameters))).toBe(id)
})

it('states: outcome hash, roots and digest', () => {
  for (const vector of all.state) {
    const { domain, version } = vector
    const channelId = hex(vector.channelId)
    const body = { outcome: vector.body.outcome, lanes: vector.body.lanes.map(laneOf) }
    expect(State.outcomeHash(body.outcome)).toEqual(vector.outcomeHash)
    expect(Tree.root(State.lanesTree(channelId, body.lanes))).toEqual(vector.lanesRoot)
    const root = State.root(channelId, body)
    expect(root).toEqual(vector.root)
    const state = { channelId, version, kind: kindOf(vector.kind), root }
    expect(hex(State.digest(domain, state))).toBe(vector.digest)
  }
})

it('challenges', () => {
  for (const { domain, digest, ...challenge } of all.challenge) {
    const channelId = hex(challenge.channelId)
    expect(hex(Dispute.digest(domain, { ...challenge, channelId }))).toBe(digest)
  }
})

it('appointments and their receipts', () => {
  for (const { domain, order, receipt, time, ...gist } of all.appointment) {
    const summary = { ...gist, channelId: hex(gist.channelId) }
    expect(hex(Appointment.digest(domain, summary))).toBe(order)
    expect(hex(Appointment.receiptDigest(domain, summary, time))).toBe(receipt)
  }
})

it('vouchers: anchors, digest and layout', () => {
  for (const vector of all.voucher) {
    const voucher = { ...vector.voucher, channelId: hex(vector.voucher.channelId) }
    expect(Voucher.anchorsHash(voucher)).toEqual(vector.anchorsHash)
    expect(hex(Voucher.digest(vector.domain, voucher))).toBe(vector.digest)
    const signed = { voucher, signature: unhex(vector.signature) }
    expect(Voucher.encode(signed)).toEqual(vector.encoded)
    expect(Voucher.decode(vector.encoded)).toEqual(signed)
  }
})

it('quotes, stream openings and receipts', () => {
  for (const { hash, price, ...quote } of all.stream.quotes) {
    const unit = price.unit as Unit
    const { size, sha256 } = { size: undefined, sha256: undefined, ...quote }
    const asset = quote.asset as Address
    expect(Quote.hash({ ...quote, asset, price: { ...price, unit }, size, sha256 })).toEqual(hash)
  }
  for (const { domain, opening, digest } of all.stream.openings) {
    const channelId = hex(opening.channelId)
    expect(hex(Opening.digest(domain, { ...opening, channelId }))).toBe(digest)
  }
  for (const { domain, receipt, digest } of all.stream.receipts) {
    const reason = receipt.reason as Receipt.Reason
    const [channelId, purchase] = [hex(receipt.channelId), receipt.purchase]
    expect(hex(Receipt.digest(domain, { ...receipt, channelId, purchase, reason }))).toBe(digest)
  }
})

it('trees: roots, proofs and multi-proofs', () => {
  for (const { entries, root, proofs, multiProofs } of all.tree) {
    const tree = entries.reduce<Tree.Tree>(
      (t, { key, value }) => Tree.set(t, key, value),
      undefined,
    )
    expect(Tree.root(tree)).toEqual(root)
    for (const { key, siblings, leaf, value } of proofs) {
      const proof = { siblings, leaf: leaf ?? undefined }
      expect(Tree.prove(tree, key)).toEqual(proof)
      expect(Tree.verify(root, key, proof)).toEqual(value ?? undefined)
    }
    for (const { keys, ends, siblings } of multiProofs) {
      const plain = ends.map(({ depth, leaf }) => ({ depth, leaf: leaf ?? undefined }))
      const proof = { ends: plain, siblings }
      expect(MultiProof.prove(tree, keys)).toEqual(proof)
      expect(MultiProof.verify(root, keys, proof)).toEqual(keys.map((key) => Tree.get(tree, key)))
    }
  }
})

it('chains: what they are bound to, and their nodes', () => {
  for (const { channelId, lane, tweak, epoch, digit, length, nodes } of all.chain) {
    expect(Chain.laneTweak(hex(channelId), lane)).toEqual(tweak)
    const position = { tweak, epoch, digit }
    const [anchor, end] = [nodes[0]?.node, nodes.at(-1)?.node ?? tweak]
    const chain = Chain.generate(position, length, end)
    for (const { index, node } of nodes) {
      expect(chain.slice(32 * index, 32 * index + 32)).toEqual(node)
      expect(Chain.walk(position, index, index, node)).toEqual(anchor)
    }
  }
})

it('tick frames', () => {
  for (const { encoded, ...frame } of all.tick) {
    expect(Tick.encode(frame)).toEqual(encoded)
    expect(Tick.decodeAll(encoded)).toEqual([frame])
  }
  const bytes = all.tick.map(({ encoded }) => encoded)
  expect(Tick.decodeAll(new Uint8Array(Buffer.concat(bytes)))).toHaveLength(bytes.length)
})

/** What the page calls the outcome of a frame. */
const outcomeOf = (verdict: number | undefined): string =>
  verdict === Verdict.ok ? 'applied' : verdict === Verdict.stale ? 'stale' : 'refused'

it.each(all.claim)('claims, frame by frame: $voucher.digits digits', (vector) => {
  const { channelId, lane: id, voucher, capacity, frames } = vector
  const tweak = Chain.laneTweak(hex(channelId), id)
  const sessionKey = `0x${'00'.repeat(20)}` as const
  const lane = { id, payer: 0, payee: 1, asset: 0, folded: 0n, reserved: capacity, sessionKey }
  const unsigned = { ...voucher, channelId: hex(channelId), lane: id, context: new Uint8Array(32) }
  const signed = { voucher: Voucher.check(unsigned), signature: new Uint8Array(65) }
  let claim: Claim.Claim = {
    signed,
    indices: Array(voucher.digits).fill(0),
    nodes: voucher.anchors,
  }
  for (const { about, frame, outcome, indices, claim: amount } of frames) {
    const [decoded] = Tick.decodeAll(frame)
    if (decoded === undefined) throw new Error('There is one frame.')
    const before = claim
    const advance = () => Claim.advance(lane, tweak, claim, decoded, Chain.walk)
    if (outcome === 'refused') expect(advance, about).toThrow(Tick.TickError)
    else claim = advance()
    if (outcome !== 'applied') expect(claim, about).toBe(before)
    expect(claim.indices, about).toEqual(indices)
    expect(Claim.amount(claim), about).toBe(amount)
  }
})

it.each(['scalar', 'simd'] as const)('claims, frame by frame: the %s kernel', async (build) => {
  for (const { channelId, lane, handle, voucher, capacity, frames } of all.claim) {
    const table = LaneTable.from(await Kernel.instantiate(build))
    const tweak = Chain.laneTweak(hex(channelId), lane)
    while (table.open({ connection: 1, tweak }) !== handle);
    table.renew(handle, { ...voucher, limit: (capacity - voucher.base) / voucher.unit })
    for (const { about, frame, outcome, indices } of frames) {
      const [verdict] = table.apply(frame, 1)
      expect(outcomeOf(verdict), about).toBe(outcome)
      expect(table.read(handle).indices.slice(0, voucher.digits), about).toEqual(indices)
    }
  }
})
