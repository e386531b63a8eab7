/** `sluice close`: closes channels cooperatively, or by force, pays to the unit what is owed, and is paid out. */
import { setTimeout as sleep } from 'node:timers/promises'
import pc from 'picocolors'
import type { Hex } from '../core/bytes.js'
import type { Channel } from '../core/channel.js'
import { SluiceError, toProblem } from '../core/errors.js'
import { isOpen } from '../core/phase.js'
import type { DisputeView } from '../engine/defender.js'
import type { Node } from '../engine/node.js'
import { createNode } from '../sluice.js'
import { formatAmount, formatSeconds, type Output, short } from './output.js'
import {
  homeOf,
  interrupted,
  interruptible,
  nodeOptionsOf,
  patiently,
  report,
  type Shared,
  type Waiting,
} from './settings.js'

export type CloseOptions = Shared & { readonly force?: boolean }

/** Milliseconds that a peer has to close together before it is done by force. */
const peerMs = 10_000
/** Milliseconds between two looks at a dispute, and between two lines about one that only lasts. */
const lookMs = 1_000
const lineMs = 60_000

export async function close(
  output: Output,
  id: string | undefined,
  options: CloseOptions,
): Promise<void> {
  const signal = interruptible()
  const waiting = { output, signal, options }
  const node = await patiently(waiting, () => createNode(nodeOptionsOf(options)))
  try {
    node.events.on('problem', report(output))
    const open = node.channels().filter(isOpen)
    const wanted = id === undefined ? open : node.channels().filter((channel) => channel.id === id)
    if (id !== undefined && wanted.length === 0)
      throw new SluiceError(
        'CHANNEL_UNKNOWN',
        `There is no channel ${id} in this home; see sluice channels.`,
      )
    if (wanted.length === 0 && !output.json)
      output.event('none', {}, `No open channels in ${homeOf(options)}.`)
    const end = options.force ? force : together
    // Side by side: a dispute takes its two windows, and a peer that is away keeps us from no other one.
    const ends = await Promise.allSettled(wanted.map((channel) => end(node, channel, waiting)))
    check(output, wanted, ends)
  } finally {
    await node.stop()
  }
}

/** @throws why the only one wanted is not closed, or how many of several are not */
function check(
  output: Output,
  wanted: readonly Channel[],
  ends: readonly PromiseSettledResult<void>[],
): void {
  const failed = ends.flatMap((end, at) =>
    end.status === 'rejected' ? { id: wanted[at]?.id ?? '', error: end.reason } : [],
  )
  const [first] = failed
  if (first === undefined) return
  if (wanted.length === 1 || failed.some(({ error }) => error === interrupted)) throw first.error
  for (const { id, error } of failed) {
    const { code, message } = toProblem(error)
    output.event('open', { channelId: id, code, message }, `${short(id)} is still open: ${message}`)
  }
  throw new SluiceError(
    'STILL_OPEN',
    `${failed.length} of ${wanted.length} channels are still open. Run this again once their peers are back, or with --force.`,
  )
}

async function together(node: Node, { id }: Channel, waiting: Waiting): Promise<void> {
  const { output, signal } = waiting
  const { complete, seat, phase } = await patiently(waiting, () => node.close(id, { signal }))
  const balance = complete?.body.outcome.balances[seat]?.[0] ?? 0n
  output.event(
    'settled',
    { channelId: id, phase, version: complete?.version, received: balance },
    `${pc.green('settled')} ${short(id)}: ${formatAmount(balance)} paid out to us.`,
  )
}

/** Closes with the peer if it is there, else without it. */
async function force(node: Node, { id, seat }: Channel, waiting: Waiting): Promise<void> {
  const { output, signal } = waiting
  if ((await patiently(waiting, () => node.dispute(id))) === undefined) {
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(peerMs)])
      await node.close(id, { signal: inTime })
    } catch (error) {
      if (signal.aborted) throw interrupted
      const { code, message } = toProblem(error)
      output.event(
        'forced',
        { channelId: id, code, reason: message },
        `${short(id)} cannot be closed together (${message}) It is closed by force.`,
      )
      await patiently(waiting, () => node.challenge(id))
    }
  }
  const last = await follow(node, id, waiting)
  const view = await patiently(waiting, () => node.ledger.channel(id))
  if (view?.status === 'live') {
    output.event('resumed', { channelId: id }, `${short(id)} lives on: both sides resumed it.`)
    return
  }
  // Closed by a final state, which may be one that our disk has lost: what was paid is the layer's to say.
  const before = node.channel(id)?.complete?.body.outcome.withdrawn[seat]?.[0] ?? 0n
  const received = last?.due[0] ?? (view?.withdrawn[seat]?.[0] ?? 0n) - before
  output.event(
    'settled',
    { channelId: id, phase: node.channel(id)?.phase, received },
    `${pc.green('settled')} ${short(id)}: ${formatAmount(received)} paid out to us.`,
  )
}

/**
 * Says how a dispute goes on, until nothing more is to come for us; returns how it ended, undefined where there
 * is none any more because the channel was closed or resumed together. Once no state can replace the posted one
 * it ends as it stands, also where the last of it is done between two looks.
 */
async function follow(node: Node, id: Hex, waiting: Waiting): Promise<DisputeView | undefined> {
  const { output, signal } = waiting
  let said = { stage: '', at: 0 }
  let standing: DisputeView | undefined
  for (;;) {
    const view = await patiently(waiting, () => node.dispute(id))
    if (view === undefined) return standing
    if (view.isSettled) return view
    const stage = stageOf(view)
    if (stage.name !== 'states') standing = view
    if (stage.name !== said.stage || Date.now() - said.at >= lineMs) {
      said = { stage: stage.name, at: Date.now() }
      const { version, statesUntil, redeemUntil, due } = view
      const left = stage.until - view.time
      output.event(
        'dispute',
        { channelId: id, stage: stage.name, version, left, statesUntil, redeemUntil, due: due[0] },
        `${short(id)} state ${version}: ${stage.text} ${formatSeconds(left)} left; ${formatAmount(due[0] ?? 0n)} to come.`,
      )
    }
    await sleep(lookMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) throw interrupted
  }
}

type Stage = { readonly name: string; readonly until: bigint; readonly text: string }

function stageOf({ time, statesUntil, redeemUntil }: DisputeView): Stage {
  if (time <= statesUntil)
    return { name: 'states', until: statesUntil, text: 'anyone may show a newer state,' }
  if (time <= redeemUntil)
    return { name: 'redemption', until: redeemUntil, text: 'claims on its lanes are collected,' }
  return { name: 'rest', until: time, text: 'what is left of its lanes goes back,' }
}
