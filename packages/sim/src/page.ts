import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { compile } from 'tailwindcss'
import type { RingHistory } from '@thatdam/ui/ring-timeline-data'
import { DATA_ID, ROOT_ID } from './page-ids.ts'

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

/**
 * One HTML page with all it needs in it: opens from disk, asks no network. Drawn here already, so that it reads without its script.
 * Equal bytes for equal histories. Bundles for about a second.
 */
export async function pageOf(history: RingHistory): Promise<string> {
  const [script, server] = await Promise.all([bundle('page-browser.tsx', 'iife'), bundle('page-server.tsx', 'esm')])
  const { render } = (await import(`data:text/javascript;base64,${Buffer.from(server).toString('base64')}`)) as {
    render: (history: RingHistory) => string
  }
  const drawn = render(history)
  const style = await styleOf(`${drawn} ${script}`)
  const title = history.title.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  // `<` ends no script inside JSON and code when written as an escape; in the code it stands in strings only.
  const data = JSON.stringify(history).replaceAll('<', '\\u003c')
  return `<!doctype html>
<html lang="en" data-theme="system">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<div id="${ROOT_ID}">${drawn}</div>
<script type="application/json" id="${DATA_ID}">${data}</script>
<script>${script.replaceAll('</script', String.raw`<\/script`)}</script>
</body>
</html>
`
}

/** A page's script with all that it imports, for a browser. `entry` beside this file, or a whole address. */
export async function bundle(entry: string | URL, format: 'iife' | 'esm'): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    format,
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    legalComments: 'none',
    logLevel: 'silent',
    charset: 'utf8',
    define: { 'process.env.NODE_ENV': '"production"' },
  })
  return outputFiles[0]?.text ?? ''
}

/** The theme and the classes in use, found as whatever in the page looks like one. */
export async function styleOf(text: string): Promise<string> {
  const theme = fileURLToPath(import.meta.resolve('@thatdam/ui/theme.css'))
  const compiler = await compile(await readFile(theme, 'utf8'), {
    loadStylesheet: async (id, base) => {
      const path = fileURLToPath(import.meta.resolve(`${id}/index.css`))
      return { path, base, content: await readFile(path, 'utf8') }
    },
  })
  return compiler.build([...new Set(text.split(/[\s"'`<>=\\]+/))].filter((word) => word.length < 80))
}
