/**
 * What strangers can make a node hold, and how long it waits for them. In brackets, libp2p's default
 * where ours differs.
 */
export const networkLimits = {
  /** Connections, either direction; more inbound ones are refused. */
  connectionsMax: 256,
  /** Inbound connections that have not proved who they are yet [10], and how long they may take. */
  pendingInboundMax: 64,
  inboundUpgradeMs: 10_000,
  /** New inbound connections per second and IP address [5]; all peers on one machine share one. */
  inboundPerSecondAndHost: 64,
  /**
   * Streams of one protocol on one connection, each way [32 in, 64 out]; and of all protocols [1,000].
   */
  streamsMax: 1_024,
  streamsOfAllProtocolsMax: 2_048,
  /**
   * Bytes a peer may send on one stream ahead of its reader [16 MiB], reached from 256 KiB by doubling.
   * As much as the largest credit window, so it is never what paces a paid stream. On loopback 256 KiB
   * costs a fifth of the bulk rate, and nothing from 1 MiB to 16 MiB makes a difference.
   */
  streamWindow: 4_194_304,
  /**
   * How often we ask a silent peer whether it lives, and how long it may take before we drop it [5 s].
   */
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
}

export type NetworkLimits = typeof networkLimits

/**
 * How long a peer may take to be connected, to agree on a stream, and to take what we flush at the end.
 */
export const connectTimeoutMs = 10_000
export const openTimeoutMs = 10_000
export const closeTimeoutMs = 2_000
