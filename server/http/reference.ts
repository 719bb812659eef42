/** The reference as one page of HTML: no script, nothing loaded from elsewhere. */
import type { Contract } from '../../schemas/index.js';
import { MODES, effectText, referenceOf } from './reference-model.js';
import type { Field, FunctionPage, NamedType, TypeText } from './reference-model.js';
import { STYLE } from './reference-style.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');

const code = (text: string): string => `<code>${escape(text)}</code>`;
/** Prose with `code` in it, on one line. */
const prose = (markdown: string): string =>
  markdown
    .split('`')
    .map((part, index) => (index % 2 === 1 ? code(part) : escape(part)))
    .join('');
/** Prose in paragraphs. */
const paragraphs = (markdown: string): string =>
  markdown
    .split(/\n{2,}/)
    .map((text) => `<p>${prose(text)}</p>\n`)
    .join('');

const typeId = (name: string): string => `type-${name}`;
const type = (parts: TypeText): string =>
  parts
    .map(({ text, named }) =>
      named ? `<a href="#${typeId(escape(text))}">${escape(text)}</a>` : escape(text),
    )
    .join('');

/** @param cells HTML. */
function table(head: readonly string[], rows: readonly (readonly string[])[], label: string): string {
  const cells = (tag: string, all: readonly string[]): string =>
    all.map((one) => `<${tag}>${one}</${tag}>`).join('');
  const header = head.map((one) => `<th scope="col">${escape(one)}</th>`).join('');
  // A table that is wider than the screen scrolls by itself, by keyboard, too.
  return `<div class="wide" tabindex="0" role="region" aria-label="${escape(label)}"><table>
<thead><tr>${header}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${cells('td', row)}</tr>`).join('\n')}
</tbody></table></div>
`;
}

function fields(all: readonly Field[], answered: boolean, label: string): string {
  return table(
    answered ? ['Field', 'Type', 'Description'] : ['Param', 'Type', 'Default', 'Description'],
    all.map((field) => {
      const name = code(field.name);
      const said = prose(field.description);
      if (answered)
        return [name, `${type(field.type)}${field.required ? '' : ' <small>optional</small>'}`, said];
      const value =
        field.default === undefined ? (field.required ? '<b>required</b>' : '') : code(field.default);
      const allowed = field.bounds === '' ? '' : ` <small>Allowed: ${prose(field.bounds)}.</small>`;
      return [name, type(field.type), value, `${said}${allowed}`];
    }),
    label,
  );
}

const heading = (level: 2 | 3, id: string, text: string): string =>
  `<h${level} id="${escape(id)}"><a href="#${escape(id)}">${escape(text)}</a></h${level}>\n`;

function functionSection({
  contract,
  params,
  result,
  item,
  permissions,
  aplite,
  examples,
}: FunctionPage): string {
  const { name, effect, mode } = contract;
  const facts: [string, string][] = [
    ['Effect', `<span class="effect ${effect}">${effect}</span> ${escape(effectText(effect))}`],
    ['Answers', escape(MODES[mode])],
    ...(item === undefined ? [] : ([['Item', type(item)]] as [string, string][])),
    ...(result === undefined ? [] : ([['Result', type(result)]] as [string, string][])),
    [
      'Needs',
      permissions.length === 0
        ? 'no permission'
        : permissions.map(({ rule, when }) => `${code(rule)} ${prose(when)}`.trim()).join('<br>'),
    ],
    ['Aplite', aplite.map(code).join('<br>')],
  ];
  return `<section>
${heading(2, name, name)}<p class="summary">${escape(contract.summary)}.</p>
${paragraphs(contract.description)}<dl>
${facts.map(([term, said]) => `<dt>${term}</dt><dd>${said}</dd>`).join('\n')}
</dl>
${params.length === 0 ? '<p>It takes no params.</p>\n' : fields(params, false, `Params of ${name}`)}${examples
    .map(
      (example) => `<h3>${escape(example.title)}</h3>
<pre tabindex="0"><code>${escape(example.curl)}</code></pre>
<pre tabindex="0"><code>${escape(example.typescript)}</code></pre>
`,
    )
    .join('')}</section>
`;
}

const typeSection = ({ name, description, fields: all }: NamedType): string =>
  `${heading(3, typeId(name), name)}${description === '' ? '' : paragraphs(description)}${fields(all, true, `Fields of ${name}`)}`;

const links = (all: readonly (readonly [string, string])[]): string =>
  `<ul>\n${all.map(([id, text]) => `<li><a href="#${escape(id)}">${escape(text)}</a></li>`).join('\n')}\n</ul>`;

/** Renders the page that is served at `/docs`. */
export function referencePage(
  contracts: readonly Contract[],
  { version }: { readonly version: string },
): string {
  const { functions, types, errors } = referenceOf(contracts);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>xi-k8s: functions</title>
<style>${STYLE}</style>
</head>
<body>
<nav aria-label="Contents">
<p class="title">xi-k8s <small>${escape(version)}</small></p>
<h2>Functions</h2>
${links(functions.map(({ contract: { name } }) => [name, name]))}
<h2>More</h2>
${links([
  ['types', 'Types'],
  ['errors', 'Errors'],
])}
</nav>
<main>
<h1>Functions</h1>
<p>Each function is <code>POST /v1/functions/NAME</code> with its params as a JSON object; a success is a 200. The same is
in <a href="/openapi.json">/openapi.json</a>, and as a block for Aplite programs at <a href="/v1/aplite">/v1/aplite</a>.</p>
${functions.map(functionSection).join('')}
<section>
${heading(2, 'types', 'Types')}${types.map(typeSection).join('')}</section>
<section>
${heading(2, 'errors', 'Errors')}<p>A failure is a <a href="#${typeId('Problem')}">Problem</a> with one of these codes.</p>
${table(
  ['Code', 'Status', 'Meaning'],
  errors.map((error) => [code(error.code), String(error.status), prose(error.meaning)]),
  'Error codes',
)}</section>
</main>
</body>
</html>
`;
}
