import { type Abuse, below, closed, openStream, workers, write } from './abuse.ts'

const WORKERS = 4

/** Requests that are almost HTTP: two lengths, lengths that contradict, foreign hosts, absolute targets, upgrades to nothing. */
export const abuse: Abuse = {
  name: 'malformed',
  on: ['http', 'tls'],
  run: (port, context) =>
    workers(WORKERS, context, async () => {
      const stream = await openStream(port, context)
      const path = port.paths[below(context.random, port.paths.length)] ?? '/'
      const head = `host: ${port.address}:${port.port}\r\n`
      const wrong = [
        `POST ${path} HTTP/1.1\r\n${head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
        `POST ${path} HTTP/1.1\r\n${head}content-length: 5\r\ncontent-length: 50\r\n\r\nhello`,
        `POST ${path} HTTP/1.1\r\n${head}content-length: -1\r\n\r\n`,
        `POST ${path} HTTP/1.1\r\n${head}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx`,
        `GET http://elsewhere.invalid/ HTTP/1.1\r\nhost: elsewhere.invalid\r\norigin: http://elsewhere.invalid\r\n\r\n`,
        `GET ${path}/../../%2e%2e/%00 HTTP/1.1\r\n${head}\r\n`,
        `GET ${path} HTTP/1.1\r\n${head}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n`,
        `${String.fromCharCode(65 + below(context.random, 26)).repeat(60)} ${path} HTTP/9.9\r\n\r\n`,
        `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${head}\r\n`,
        `GET ${path} HTTP/1.1\r\n${head}cookie: thatdam-session=${'A'.repeat(43)}\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n`,
      ]
      await write(stream, wrong[below(context.random, wrong.length)] ?? '', context).catch(() => {})
      await closed(stream, 500, context)
    }),
}
