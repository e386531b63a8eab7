import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import * as Chain from '../../src/core/chain.js'
import * as Dispute from '../../src/core/dispute.js'
import type { Lane } from '../../src/core/lane.js'
import * as Opening from '../../src/core/opening.js'
import * as Parameters from '../../src/core/parameters.js'
import type { Unit } from '../../src/core/price.js'
import * as Quote from '../../src/core/quote.js'
import * as Receipt from '../../src/core/receipt.js'
import * as State from '../../src/core/state.js'
import * as Tick from '../../src/core/tick.js'
import * as Tree from '../../src/core/tree.js'
import * as Voucher from '../../src/core/voucher.js'
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
    expect(Quote.hash({ ...quote, price: { ...price, unit }, size, sha256 })).toEqual(hash)
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

it('trees: roots and proofs', () => {
  for (const { entries, root, proofs } of all.tree) {
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
