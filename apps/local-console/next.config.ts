import path from 'node:path'
import type { NextConfig } from 'next'

const root = path.join(import.meta.dirname, '../..')

const config: NextConfig = {
  output: 'standalone',
  transpilePackages: ['@thatdam/ui', '@thatdam/console', '@thatdam/protocol', '@thatdam/api'],
  turbopack: { root },
  outputFileTracingRoot: root,
  poweredByHeader: false,
  // Typed and linted by the repository's own commands.
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
}
export default config
