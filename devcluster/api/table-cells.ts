/** Values of table cells in the form that kubectl's users know. */

/** Seconds as `12s`, `5m3s`, `47h`, `12d`, `3y40d`. */
export function duration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < -1) return '<invalid>';
  if (s < 0) return '0s';
  if (s < 120) return `${s}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 10) return s % 60 === 0 ? `${minutes}m` : `${minutes}m${s % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (days < 365 * 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

/** How long ago a time was, or `<unknown>`. */
export function age(time: unknown): string {
  if (typeof time !== 'string') return '<unknown>';
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds) ? '<unknown>' : duration((Date.now() - milliseconds) / 1_000);
}
