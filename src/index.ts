/** Sluice as a library: what a program that embeds it needs, and nothing else. */

export type { Address, Hex } from './core/bytes.js'
export type { Channel } from './core/channel.js'
export { SluiceError } from './core/errors.js'
export type { Phase } from './core/phase.js'
export { type Price, parse as parsePrice } from './core/price.js'
export type { Quote } from './core/quote.js'
export type { Reason, Receipt, Signed as SignedReceipt } from './core/receipt.js'
export { type Waiting, waitingFor } from './core/waiting.js'
export type { TowerLimits } from './engine/appointments.js'
export type { AmountOptions, Offer, OpenManyOptions, OpenOptions } from './engine/channels.js'
export type { DisputeView, WatchView } from './engine/defender.js'
export type { NodeEvents } from './engine/events.js'
export type { ConsumeOptions, LaneView, Node } from './engine/node.js'
export type { ServeOptions } from './engine/offers.js'
export type { Ledger } from './engine/ports.js'
export type { Purchase } from './engine/purchase.js'
export type { Piece } from './engine/sale.js'
export type { Tower, TowerEvents } from './engine/tower.js'
export { type BoughtFile, type BuyFileOptions, buyFile } from './market/buy-file.js'
export { type FileOffer, type SellFileOptions, sellFile } from './market/sell-file.js'
export {
  type CreateLedgerOptions,
  type CreateNodeOptions,
  type CreateTowerOptions,
  connectLedger,
  createLedger,
  createNode,
  createTower,
  type EmbeddedLayer,
} from './sluice.js'
