/** The smallest plugin: a service with one method. */
import { startExample } from './plugins.js';
import type { ExampleProgram } from './programs.js';

/** Tells the time at /clock.v1.Clock/Now. */
export const clock: ExampleProgram = (surroundings) =>
  startExample(surroundings, {
    id: 'clock',
    version: '1.0.0',
    defaultPort: 8080,
    provides: [
      {
        type: 'clock',
        version: '1.0.0',
        path: '/clock.v1.Clock/',
        methods: { Now: () => ({ now: new Date().toISOString() }) },
      },
    ],
  });
