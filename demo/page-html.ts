import { bundle, styleOf } from '@thatdam/sim/page'

/** The live page as one HTML file, bundled in about a second. It asks only the server that it came from. */
export async function livePage(): Promise<string> {
  const script = await bundle(new URL('page-browser.tsx', import.meta.url), 'iife')
  const style = await styleOf(script)
  return `<!doctype html>
<html lang="en" data-theme="system">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:">
<link rel="icon" href="data:,">
<title>A ring to play with</title>
<style>${style}</style>
</head>
<body>
<div id="page"></div>
<script>${script.replaceAll('</script', String.raw`<\/script`)}</script>
</body>
</html>
`
}
