/** The README's table of settings, from the schema that checks them. */
import type { SettingDescription } from '../../server/settings.js';

const BEGIN = '<!-- settings -->';
const END = '<!-- /settings -->';

const cell = (text: string): string => text.replaceAll('|', '\\|');
const columns = ({ name, default: value, allowed, description }: SettingDescription): string[] => [
  `\`${name}\``,
  value === undefined || value === '' ? '' : `\`${value}\``,
  cell(description),
  cell(allowed),
];

/** Puts the table between the markers of a page. @throws Error when the page has no markers. */
export function withSettings(page: string | undefined, settings: readonly SettingDescription[]): string {
  const begin = page?.indexOf(BEGIN) ?? -1;
  const end = page?.indexOf(END) ?? -1;
  if (page === undefined || begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`);
  const rows = [
    ['variable', 'default', 'what it sets', 'allowed'],
    ['---', '---', '---', '---'],
    ...settings.map(columns),
  ];
  const table = rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
  return `${page.slice(0, begin)}${BEGIN}\n\n${table}\n\n${page.slice(end)}`;
}
