/** The YAML parser, loaded when the first YAML comes: most starts need none, and it is a tenth of their time. */
import { createRequire } from 'node:module';
import type * as JsYaml from 'js-yaml';

const require = createRequire(import.meta.url);
let loaded: typeof JsYaml | undefined;

export const yaml = (): typeof JsYaml => (loaded ??= require('js-yaml') as typeof JsYaml);
