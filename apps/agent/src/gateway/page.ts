/** A small page in the product's look, for the time before the console itself answers. Needs nothing from elsewhere, runs no script. */
export function waitingPage(content: {
  readonly title: string
  readonly text: string
  readonly link: { href: string; label: string } | null
}): string {
  const link = content.link ? `<p><a href="${escapeHtml(content.link.href)}">${escapeHtml(content.link.label)}</a></p>` : ''
  const dots = [0, 1, 2, 3, 4].map((index) => {
    const angle = (index / 5) * 2 * Math.PI - Math.PI / 2
    const [x, y] = [28 + 20 * Math.cos(angle), 28 + 20 * Math.sin(angle)].map((value) => value.toFixed(1))
    return `<circle cx="${x}" cy="${y}" r="${index === 0 ? 4 : 3}" class="${index === 0 ? 'lead' : 'node'}"/>`
  })
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>${escapeHtml(content.title)} · ThatDAM</title>
<style>
:root { color-scheme: dark light; --ground: #161616; --text: #e8e8e8; --quiet: #a3a3a3; --line: #3a3a3a; --accent: oklch(0.78 0.16 65) }
@media (prefers-color-scheme: light) { :root { --ground: #f7f7f7; --text: #1c1c1c; --quiet: #5c5c5c; --line: #c9c9c9; --accent: oklch(0.58 0.15 55) } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 30rem; padding: 24px }
svg { display: block; margin-bottom: 24px }
.ring { fill: none; stroke: var(--line) } .node { fill: var(--quiet) } .lead { fill: var(--accent) }
h1 { font-size: 20px; font-weight: 600; margin: 0 0 8px } p { margin: 0 0 8px; color: var(--quiet); overflow-wrap: anywhere } a { color: var(--accent) }
</style>
</head>
<body>
<main>
<svg width="56" height="56" viewBox="0 0 56 56" aria-hidden="true"><circle cx="28" cy="28" r="20" class="ring"/>${dots.join('')}</svg>
<h1>${escapeHtml(content.title)}</h1>
<p role="status">${escapeHtml(content.text)}</p>
${link}
</main>
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
