/** The end of the chain: it prints what other plugins have to say. */
import { startExample } from '../plugins.js';
import type { ExampleProgram } from '../programs.js';

const escaped = (character: string): string =>
  character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** One line, whatever is in it: nobody writes lines of the log but the logger. */
const printable = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]/gu, escaped);

/** Prints `message` at /logger.v1.Logger/Log. */
export const logger: ExampleProgram = (surroundings) =>
  startExample(surroundings, {
    id: 'logger-plugin',
    version: '1.0.0',
    defaultPort: 8081,
    provides: [
      {
        type: 'logger',
        version: '1.0.0',
        path: '/logger.v1.Logger/',
        methods: {
          Log: (request) => surroundings.print(`[LOG] ${printable(request.text('message'))}`),
        },
      },
    ],
  });
