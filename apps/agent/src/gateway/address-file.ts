import { writeFileDurable } from '@thatdam/store/durable'

/** `gateway.json`, which anybody on the machine may read: where its console answers. */
export async function writeGatewayAddress(path: string, { port, bind }: { port: number; bind: 'loopback' | 'lan' }): Promise<void> {
  await writeFileDurable(path, `${JSON.stringify({ version: 1, url: `http://localhost:${port}`, port, bind })}\n`, { mode: 0o644 })
}
