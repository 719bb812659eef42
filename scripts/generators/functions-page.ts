/** The reference as Markdown: `docs/functions.md`. */
import type { Contract } from '../../schemas/index.js';
import { MODES, effectText, referenceOf } from '../../server/http/reference-model.js';
import type { Field, FunctionPage, NamedType, TypeText } from '../../server/http/reference-model.js';

const anchor = (title: string): string => `#${title.toLowerCase()}`;
const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
const code = (text: string): string => `\`${text}\``;
const type = (parts: TypeText): string =>
  parts.map(({ text, named }) => (named ? `[${text}](${anchor(text)})` : text)).join('');

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |\n`;
  return `${row(head)}${row(head.map(() => '---'))}${rows.map(row).join('')}`;
}

/** @param answered whether a server gives the fields: they then have no defaults, and only some are absent at times. */
function fields(all: readonly Field[], answered: boolean): string {
  return table(
    answered ? ['field', 'type', '', 'description'] : ['param', 'type', 'default', 'allowed', 'description'],
    all.map((field) => {
      const name = code(field.name);
      if (answered) return [name, type(field.type), field.required ? '' : 'optional', field.description];
      const value =
        field.default === undefined ? (field.required ? '**required**' : '') : code(field.default);
      return [name, type(field.type), value, field.bounds, field.description];
    }),
  );
}

const block = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\`\n`;

function functionSection({
  contract,
  params,
  result,
  item,
  permissions,
  aplite,
  examples,
}: FunctionPage): string {
  const facts = [
    `- Effect: ${contract.effect} (${effectText(contract.effect)})`,
    `- Answers ${MODES[contract.mode]}`,
    ...(item === undefined ? [] : [`- Item: ${type(item)}`]),
    ...(result === undefined ? [] : [`- Result: ${type(result)}`]),
    `- Needs: ${
      permissions.length === 0
        ? 'no permission'
        : permissions.map(({ rule, when }) => `${code(rule)}${when === '' ? '' : ` ${when}`}`).join('; ')
    }`,
    `- Aplite: ${aplite.map(code).join(', ')}`,
  ];
  return [
    `## ${contract.name}\n`,
    `${contract.summary}.\n`,
    `${contract.description}\n`,
    `${facts.join('\n')}\n`,
    params.length === 0 ? 'It takes no params.\n' : fields(params, false),
    ...examples.flatMap((example) => [
      `${example.title}:\n`,
      block('sh', example.curl),
      block('ts', example.typescript),
    ]),
  ].join('\n');
}

const typeSection = ({ name, description, fields: all }: NamedType): string =>
  [`### ${name}\n`, ...(description === '' ? [] : [`${description}\n`]), fields(all, true)].join('\n');

/** Renders `docs/functions.md`. */
export function functionsPage(contracts: readonly Contract[]): string {
  const { functions, types, errors } = referenceOf(contracts);
  return [
    '<!-- Generated from the contracts in schemas/ by `npm run generate`; not to be edited. -->\n',
    '# Functions\n',
    'Each function is `POST /v1/functions/NAME` with its params as a JSON object; a success is a 200.\n',
    table(
      ['function', 'effect', 'what it does'],
      functions.map(({ contract: { name, effect, summary } }) => [
        `[${code(name)}](${anchor(name)})`,
        effect,
        summary,
      ]),
    ),
    ...functions.map(functionSection),
    '## Types\n',
    ...types.map(typeSection),
    '## Errors\n',
    `A failure is a [Problem](#problem) with one of these codes.\n`,
    table(
      ['code', 'status', 'meaning'],
      errors.map((error) => [code(error.code), String(error.status), error.meaning]),
    ),
  ].join('\n');
}
