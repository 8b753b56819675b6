import path from 'node:path'
import type { NextConfig } from 'next'

const config: NextConfig = {
  transpilePackages: ['@thatdam/ui', '@thatdam/protocol'],
  turbopack: { root: path.resolve(import.meta.dirname, '../..') },
  // The repository's own tsc checks all sources.
  typescript: { ignoreBuildErrors: true },
  poweredByHeader: false,
  devIndicators: false,
}
export default config
