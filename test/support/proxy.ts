/**
 * A TCP proxy, so that a test can slow a connection down, cut what it carries into pieces, hold it still or lose
 * it, without either side's doing.
 */
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { Notifier } from '../../src/engine/notifier.js'

export type Weather = {
  /** Most bytes that are passed on at once, and milliseconds before each piece. */
  readonly pieceMax: number
  readonly pauseMs: number
}

const fair: Weather = { pieceMax: Number.MAX_SAFE_INTEGER, pauseMs: 0 }

export class TcpProxy {
  weather = fair
  readonly #server: net.Server
  readonly #sockets = new Set<net.Socket>()
  readonly #moved = new Notifier()
  #isStill = false

  private constructor(to: { readonly host: string; readonly port: number }) {
    this.#server = net.createServer((near) => {
      const far = net.connect(to.port, to.host)
      void this.#carry(near, far)
      void this.#carry(far, near)
    })
  }

  /** Passes on to `to` what connects to `host`. */
  static async open(
    to: { readonly host: string; readonly port: number },
    host = '127.0.0.1',
  ): Promise<TcpProxy> {
    const proxy = new TcpProxy(to)
    proxy.#server.listen(0, host)
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  async #carry(from: net.Socket, to: net.Socket): Promise<void> {
    this.#sockets.add(from)
    from.on('error', () => {})
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
    try {
      for await (const data of from.iterator({ destroyOnReturn: false })) {
        for (let at = 0; at < data.length; ) {
          const { pieceMax, pauseMs } = this.weather
          if (pauseMs > 0) await after(pauseMs)
          await this.#moved.until(() => !this.#isStill)
          const piece = data.subarray(at, at + pieceMax)
          at += piece.length
          if (!to.write(piece)) await once(to, 'drain')
        }
      }
      to.end()
    } catch {
      // One side is gone: so is the other.
      to.destroy()
    }
  }

  /** Passes nothing on, and breaks nothing, until `flow`. */
  stall(): void {
    this.#isStill = true
  }

  flow(): void {
    this.#isStill = false
    this.#moved.notify()
  }

  /** Loses every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#sockets.clear()
  }

  close(): void {
    this.flow()
    this.cut()
    this.#server.close()
  }
}
