/** The style of the reference page: light and dark, wide and narrow. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#1b1f24, #e2e6eb);
  --soft: light-dark(#57606a, #9aa4b0);
  --paper: light-dark(#ffffff, #14181d);
  --panel: light-dark(#f4f6f8, #1c2229);
  --line: light-dark(#d5dbe1, #323a44);
  --link: light-dark(#0a58ca, #7fb4ff);
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body {
  margin: 0; color: var(--ink); background: var(--paper);
  font: 16px/1.55 system-ui, sans-serif;
  display: grid; grid-template-columns: 17rem minmax(0, 1fr);
}
nav {
  position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem;
  background: var(--panel); border-right: 1px solid var(--line);
}
nav h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 1.2rem 0 .3rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: .15rem 0; font: .85rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere; }
.title { font-weight: 700; font-size: 1.15rem; margin: 0; }
main { padding: 1.5rem 2.5rem 5rem; max-width: 68rem; min-width: 0; }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; }
h1 { margin: 0 0 1rem; }
h2, h3 { line-height: 1.25; overflow-wrap: anywhere; }
main h2 { font-size: 1.45rem; margin: 1.8rem 0 .3rem; }
main h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
main h2 a, main h3 a { color: inherit; text-decoration: none; }
main h2 a:hover::after, main h3 a:hover::after { content: ' #'; color: var(--soft); }
a { color: var(--link); }
a:focus-visible, [tabindex]:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.summary { color: var(--soft); font-size: 1.1rem; margin: 0 0 .8rem; }
small { color: var(--soft); }
code { font: .875em/1.5 ui-monospace, monospace; background: var(--panel); border-radius: 4px; padding: .1em .3em; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; margin: .5rem 0; overflow-x: auto; }
pre code { background: none; padding: 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .3rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td:last-child { min-width: 16rem; }
td:first-child code { white-space: nowrap; }
.effect { border: 1px solid currentColor; border-radius: 99px; padding: 0 .6em; font-size: .85em; font-weight: 600; }
.read { color: light-dark(#1a6b34, #7fd49a); }
.create, .update { color: light-dark(#8a5200, #f0bd6b); }
.delete, .execute { color: light-dark(#b3261e, #ff9d94); }
@media (max-width: 52rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); padding: 1rem; }
  nav ul { columns: 2; }
  main { padding: 1rem 1rem 3rem; }
}
@media print { nav { display: none; } body { display: block; } }
`;
