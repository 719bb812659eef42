import type { ComponentName } from './components.js';

/** What run.ts passes to inside.ts, as JSON in its one argument. */
export interface InsideOptions {
  state: string;
  cgroup: string;
  components: string;
  kubectl: string;
  pauseImage: string;
  /** docker-archive files. */
  images: string[];
  flags: { component: ComponentName; flag: string }[];
  /** A folder outside for the logs; in the state folder when null. */
  logs: string | null;
  command: string[];
}
