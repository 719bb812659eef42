/** How long a call took, as Go prints a time.Duration: the log's readers grep for it. */

/** `429µs`, `1.8ms`, `2.1s`, `1m2.5s`: three digits of microseconds, one decimal of the larger units. */
export function formatDuration(milliseconds: number): string {
  const micros = Math.round(milliseconds * 1_000);
  if (micros < 1_000) return `${micros}µs`;
  const tenths = Math.round(milliseconds * 10);
  if (tenths < 10_000) return `${tenths / 10}ms`;
  const seconds = Math.round(milliseconds / 100) / 10;
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${minutes % 60}m${Math.round((seconds % 60) * 10) / 10}s`;
  return minutes < 60 ? rest : `${Math.floor(minutes / 60)}h${rest}`;
}
