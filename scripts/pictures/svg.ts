// What the pictures of docs/pictures are made of: boxes with text, and arrows between them.

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
const escaped = (text: string) => text.replaceAll(/[&<>]/g, (each) => escapes[each] ?? each)

/** A line of text that begins at this point, or is around it. */
export function label(x: number, y: number, text: string, kind = ''): string {
  return `<text x="${x}" y="${y}"${kind && ` class="${kind}"`}>${escaped(text)}</text>`
}

/** A box with a name, and what it does below. */
export function box({ x, y, width, height }: Box, name: string, does = ''): string {
  const middle = x + width / 2
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="4"/>`,
    label(middle, y + (does ? height / 2 - 3 : height / 2 + 4), name, 'name'),
    ...(does ? [label(middle, y + height / 2 + 13, does, 'does')] : []),
  ].join('\n')
}

/** An arrow from the lower edge of a box to the upper edge of another. */
export function arrow(from: Box, to: Box): string {
  const [x1, y1, x2, y2] = [
    from.x + from.width / 2,
    from.y + from.height,
    to.x + to.width / 2,
    to.y,
  ]
  const bend = Math.max(12, (y2 - y1) / 2)
  return `<path d="M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2 - 2}"/>`
}

/** The file. `title` is what a screen reader says. */
export function picture(width: number, height: number, title: string, parts: string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>${escaped(title)}</title>
<style>
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328 }
.name { font-weight: 600; text-anchor: middle }
.does { font-size: 11px; text-anchor: middle; fill: #59636e }
.end { text-anchor: end }
rect { fill: #f6f8fa; stroke: #8c959f }
.sheet { fill: #fff; stroke: none }
.bar { fill: #54aeff; stroke: none }
path { fill: none; stroke: #59636e; marker-end: url(#tip) }
</style>
<marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:#59636e;stroke:none;marker-end:none"/></marker>
<rect class="sheet" width="${width}" height="${height}"/>
${parts.join('\n')}
</svg>
`
}
