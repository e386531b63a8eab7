/**
 * The limit on everything a peer can send or make us keep. Passing one is a typed error, never growth.
 */
export const limits = Object.freeze({
  /** Participants of a channel, and the assets it holds. */
  seatsMax: 16,
  assetsMax: 8,
  /** Lanes of one channel, open or closed. */
  lanesMax: 256,
  /** Older states kept of a channel in dispute: more than one has, from that it begins with to that it ends with. */
  pastMax: 8,
  /** Digits of a voucher, and steps over all of its chains. */
  digitsMax: 4,
  chainStepsMax: 1_024,
  /** Steps one tick frame may rise: what a liar can make us hash. */
  frameStepsMax: 256,
  /** Bytes of one control message. */
  controlBytesMax: 262_144,
  /** Bytes of control messages of one peer that are handled at once; more are not read before. */
  underWayBytesMax: 1_048_576,
  /** Bytes of one message between a node and its watchtower: two whole states and a claim a lane. */
  watchBytesMax: 524_288,
  /** Bytes of one frame on a pay substream. */
  payBytesMax: 65_536,
  /** Bytes of one frame on a paid stream, header included. */
  streamBytesMax: 262_144,
  /** Bytes of one frame of who consumes a paid stream: it only asks, opens, acknowledges and signs. */
  consumerBytesMax: 4_096,
  /** Characters of a multiaddr. */
  addressMax: 256,
  /** Bytes of a resource's name. */
  resourceBytesMax: 1_024,
  /** Channels with one peer that are not settled. */
  channelsPerPeerMax: 64,
  /** Channels with all peers that are not funded yet: they cost nobody anything. */
  unfundedMax: 1_024,
  /** Receipts that wait for an owner who does not take them. */
  receiptsMax: 1_024,
  /** Lanes bound to one connection. */
  handlesMax: 4_096,
  /** Paid streams open at once on one connection. */
  streamsPerPeerMax: 256,
  /** Purchases remembered on one lane, finished ones included. */
  purchasesPerLaneMax: 1_024,
  /** Streams opened for one purchase without a new quantum acknowledged. */
  restartsMax: 256,
  /** Calls that a channel wants of its layer, and bytes that may wait for a peer that does not read. */
  callsMax: 4,
  queuedBytesMax: 4_194_304,
} as const)
