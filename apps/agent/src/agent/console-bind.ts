import { writeGatewayAddress } from '../gateway/address-file.ts'
import type { Gateway } from '../gateway/gateway.ts'
import type { Log } from '../log.ts'

export interface ConsoleBindPorts {
  readonly gateway: Gateway
  readonly wantedPort: number
  /** Where it should be open now. */
  readonly bind: () => 'loopback' | 'lan'
  readonly addressFile: string
  readonly moved: () => void
  readonly log: Log
}

/** Keeps the console's door open where it should be: for this machine alone, or for the LAN. */
export class ConsoleBind {
  private readonly ports: ConsoleBindPorts
  private last: Promise<void> = Promise.resolve()
  private closed = false

  constructor(ports: ConsoleBindPorts) {
    this.ports = ports
  }

  async open(): Promise<void> {
    await this.ports.gateway.listener.open(this.ports.wantedPort, this.ports.bind())
  }

  /** Called whenever the answer of `bind` may be another one. */
  follow(): Promise<void> {
    // One after the other: two moves at once would take the port from each other.
    this.last = this.last
      .then(() => this.move())
      .catch((error: unknown) =>
        this.ports.log.error('the console’s door could not be moved; it is tried again with the next change', error),
      )
    return this.last
  }

  /** Writes where the door is for the programs beside the agent. */
  async tell(): Promise<void> {
    const { gateway, wantedPort, addressFile, log } = this.ports
    const { port, bind } = gateway.listener
    if (wantedPort !== 0 && port !== wantedPort) {
      log.warn(`Port ${wantedPort} is taken by another program: this machine’s console is on port ${port}.`)
    }
    await writeGatewayAddress(addressFile, { port, bind })
  }

  close(): void {
    this.closed = true
  }

  private async move(): Promise<void> {
    const { gateway, moved } = this.ports
    const bind = this.ports.bind()
    if (this.closed || bind === gateway.listener.bind) return
    await gateway.setBind(bind)
    await this.tell()
    moved()
  }
}
