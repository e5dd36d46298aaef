"""How the page looks: one style sheet, no font and no image from anywhere; the colours are the palette's."""

from qcqueue.reports.markup import Markup, style_sheet
from qcqueue.reports.palette import DARK, LIGHT, variables

_PRINTED = {"paper": "#ffffff", "ink": "#000000", "quiet": "#444444", "rule": "#bbbbbb", "link": "#000000"}


def style() -> Markup:
    """Return the style element of the page."""
    lights = {"light": LIGHT, "dark": DARK, "printed": {**LIGHT, **_PRINTED}}
    sheet = _SHEET
    for name, colours in lights.items():
        sheet = sheet.replace(f"/*{name}*/", variables(colours))
    return style_sheet(sheet)


_SHEET = """
:root { color-scheme: light dark; /*light*/}
@media (prefers-color-scheme: dark) { :root { /*dark*/} }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 24px 16px 64px; }
.contents { padding: 12px 16px; font-size: 0.88rem; border-bottom: 1px solid var(--rule); }
.contents ol, .contents ul { list-style: none; margin: 0; padding: 0; }
.contents ul { padding-left: 12px; } .contents li { margin: 3px 0; overflow-wrap: anywhere; }
.contents-head { font-weight: 600; margin: 0 0 4px; } .contents a { text-decoration: none; }
.contents > ol > li > ul { display: none; }
section, figure, .scroll, .order, article h3 { scroll-margin-top: 12px; }
@media (min-width: 1100px) {
  body { display: grid; grid-template-columns: 210px minmax(0, 1fr); max-width: 1480px; margin: 0 auto; }
  body > main:only-child { grid-column: 1 / -1; }
  .contents { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; border: 0; padding: 28px 8px 24px 16px; }
  .contents > ol > li > ul { display: block; }
  main { margin: 0; width: 100%; padding-top: 20px; }
}
@media (max-width: 1099px) { .contents > ol { display: flex; flex-wrap: wrap; gap: 0 16px; } }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 36px 0 8px; padding-top: 14px; border-top: 1px solid var(--rule); }
h3 { font-size: 1.1rem; margin: 32px 0 4px; }
h4 { font-size: 1rem; margin: 20px 0 4px; }
p { margin: 4px 0 12px; max-width: 76ch; }
main { overflow-wrap: anywhere; }
a { color: var(--link); }
code { font: 0.92em ui-monospace, monospace; background: var(--raised); padding: 1px 5px; border-radius: 4px; }
.quiet, .unit { color: var(--quiet); }
.lead { margin-bottom: 16px; }
.warnings { border-left: 4px solid var(--bad); padding-left: 14px; margin: 16px 0; }
.warnings h2 { border: 0; margin: 0 0 4px; padding: 0; font-size: 1.1rem; }
.warnings ul { margin: 0; padding-left: 18px; } .warnings li { margin: 4px 0; max-width: 100ch; }
.warning { color: var(--bad); }
blockquote { margin: 8px 0 16px; padding: 10px 16px; background: var(--raised); border-radius: 8px; }
blockquote p { margin: 0; max-width: 90ch; }
.terms { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 4px 24px; }
.terms { font-size: 0.88rem; margin: 0 0 16px; } .terms dt { font-weight: 600; display: inline; }
.terms dd { display: inline; margin: 0; color: var(--quiet); } .terms dd::before { content: ": "; }
.order { display: none; } .order.usual, .order:target { display: block; } .order:target ~ .usual { display: none; }
thead th a { color: inherit; text-underline-offset: 3px; } th[aria-sort] a { color: var(--ink); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 8px; margin: 16px 0; }
.tiles div { background: var(--raised); border-radius: 8px; padding: 10px 14px; }
.tiles dt { color: var(--quiet); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.3rem; font-weight: 600; line-height: 1.3; }
.scroll { overflow-x: auto; margin: 12px 0 24px; max-width: 100%; }
.scroll:focus-visible, a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
.scroll > table { min-width: 100%; }
caption { text-align: left; padding: 0 0 6px; font-size: 0.95rem; font-weight: 600; }
caption span { position: sticky; left: 0; display: inline-block; max-width: min(76ch, calc(100vw - 48px)); }
th, td { padding: 6px 10px; text-align: right; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { vertical-align: bottom; color: var(--quiet); font-weight: 600; font-size: 0.85rem; }
thead th[colspan] { text-align: center; } thead th.unit { display: table-cell; }
th[scope="row"], th[scope="rowgroup"], .text { text-align: left; }
th[scope="row"], th[scope="rowgroup"] { font-weight: 600; }
.scroll th, .scroll td { overflow-wrap: normal; white-space: nowrap; } .scroll thead .unit { white-space: normal; }
.scroll .wide { white-space: normal; min-width: 20ch; overflow-wrap: anywhere; }
.scroll .model { white-space: normal; max-width: 30ch; overflow-wrap: break-word; position: sticky; left: 0; }
.scroll .model { background: var(--paper); padding-left: 26px; }
.model .swatch { position: absolute; left: 4px; top: 11px; } .scroll .detail { white-space: normal; }
.unit, .detail { display: block; font-weight: 400; font-size: 0.8rem; }
.detail { color: var(--quiet); }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 3px; margin-right: 7px; }
.state-done { color: var(--good); } .state-failed, .interrupted { color: var(--bad); }
.state-running, .state-held, .state-queued { color: var(--busy); }
sup { line-height: 0; font-size: 0.75em; } sup a { text-decoration: none; padding: 0 2px; }
.notes { padding-left: 28px; font-size: 0.92rem; } .notes li { margin: 4px 0; max-width: 90ch; }
.notes li:target { background: var(--raised); outline: 2px solid var(--link); border-radius: 4px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); gap: 8px 24px; }
figure { margin: 8px 0; max-width: 560px; min-width: 0; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
.key { display: flex; flex-wrap: wrap; gap: 0 18px; padding: 0; margin: 4px 0 12px; }
.key { list-style: none; font-size: 0.85rem; }
.matrices { display: flex; flex-wrap: wrap; gap: 0 32px; } .matrices > div { min-width: 0; }
.matrices .scroll { max-width: 100%; } .scroll > .matrix { min-width: 0; }
.matrix td { text-align: center; min-width: 68px; border: 1px solid var(--rule); }
.matrix td { background: color-mix(in srgb, var(--tone) calc(var(--share) * 34%), transparent); }
.matrix th { max-width: 130px; } .matrix thead th { text-align: center; } .matrix td .detail { color: inherit; }
.scroll .matrix th { white-space: normal; overflow-wrap: anywhere; }
article { border-left: 4px solid var(--tone); padding-left: 16px; margin: 32px 0; }
article h3 { margin-top: 0; }
@media (min-width: 700px) {
  article { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0 24px; }
  article > * { grid-column: 1 / -1; } article > .charts { grid-column: 1; } article > .charts + div { grid-column: 2; }
}
.story { font-size: 0.92rem; padding-left: 20px; }
.verdict { font-weight: 600; }
.verdict-line { font-size: 1.15rem; max-width: 70ch; }
figcaption { font-size: 0.88rem; margin-top: 6px; } .figure-head { font-weight: 600; }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--link); width: fit-content; }
summary:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.whole, .scroll .whole { white-space: nowrap; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(172px, 1fr)); gap: 12px 16px; margin: 12px 0; }
.images img { width: 128px; height: auto; border-radius: 4px; background: var(--raised); }
.images figcaption { font-weight: 400; font-size: 0.85rem; margin: 6px 0 0; }
.images ul { list-style: none; padding: 0; margin: 4px 0 0; } .images .detail { overflow-wrap: anywhere; }
.right { color: var(--good); } .wrong { color: var(--bad); font-weight: 600; }
.digest { font: 0.85em ui-monospace, monospace; }
@media (max-width: 480px) {
  main { padding: 16px 12px 48px; } article { padding-left: 10px; }
  th, td { padding: 6px 8px; } .model .detail { display: none; }
}
@media print {
  .contents { display: none; } body { display: block; }
  .scroll .whole { white-space: normal; }
  :root { /*printed*/color-scheme: light; }
  html { font-size: 10px; } h2 { margin-top: 18px; } h3 { margin-top: 12px; } .charts { gap: 4px 16px; }
  figure { max-width: 44vw; } article { margin: 10px 0; } .images img { width: 72px; }
  body { font-size: 1rem; } main { max-width: none; padding: 0; }
  /* A browser shrinks all that it prints until the widest table fits, so tables wrap to fit. */
  .scroll { overflow: visible; } .scroll th, .scroll td { padding: 3px 4px; white-space: normal; }
  .scroll > table { font-size: 0.85rem; } .scroll .model { overflow-wrap: anywhere; min-width: 12ch; }
  .scroll .text, .scroll tbody th { overflow-wrap: anywhere; min-width: 8ch; }
  tr, figure, .tiles div, .matrix { break-inside: avoid; } p, li { orphans: 3; widows: 3; }
  section > .quiet, article > p, article > .charts { break-after: avoid; }
  h2, h3, h4, caption { break-after: avoid; } thead { display: table-header-group; }
  .matrix td, .swatch, .tiles div, article { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
