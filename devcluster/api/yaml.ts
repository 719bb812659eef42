/** YAML bodies and answers: read into the JSON that they stand for, and written as the API writes them. */
import { yaml } from '../lazy-yaml.js';

export interface YamlRead {
  readonly value: unknown;
  /** Keys that stand twice in their map, such as `line 2: key "a" already set in map`. */
  readonly duplicates: readonly string[];
}

const DUPLICATE = 'duplicated mapping key';
/** The parser's words for what the API's parser says otherwise. */
const FLOW = /flow collection|missed comma/;

/** Reads YAML; an empty text is null. Throws SyntaxError in the words of the API's parser, as far as they are known. */
export function parseYaml(text: string): YamlRead {
  const { CORE_SCHEMA, load, YAMLException } = yaml();
  try {
    return { value: load(text, { schema: CORE_SCHEMA }) ?? null, duplicates: [] };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { line, position, buffer } = error.mark;
    if (error.reason !== DUPLICATE) throw new SyntaxError(wording(error.reason, line), { cause: error });
    const key = /^["']?([^"':\s{},]*)/.exec(buffer.slice(position))?.[1] ?? '';
    return {
      value: load(text, { schema: CORE_SCHEMA, json: true }) ?? null,
      duplicates: [`line ${line + 1}: key ${JSON.stringify(key)} already set in map`],
    };
  }
}

const wording = (reason: string, line: number): string =>
  `yaml: line ${line}: ${FLOW.test(reason) ? "did not find expected ',' or '}'" : reason}`;

/** Writes JSON text as YAML: keys in order, lists not indented. */
export const toYaml = (json: string): string =>
  yaml().dump(JSON.parse(json), { sortKeys: true, noArrayIndent: true, lineWidth: -1, quotingType: '"' });
