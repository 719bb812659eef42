/** Longest delay that a timer of Node takes, about 25 days; a longer one would fire at once. */
export const MAX_TIMER_MS = 0x7fff_ffff;
