/** Schedules of CronJobs: five fields, `@hourly` and its like, or `@every 90m`. Times are milliseconds since the epoch. */

export interface Schedule {
  /** The first time after this one; undefined when there is none within five years. */
  next(after: number): number | undefined;
}

const NAMED: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const MONTHS = ['', ...'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ')];
const DAYS = 'sun mon tue wed thu fri sat'.split(' ');
const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const FIVE_YEARS = 5 * 366;

interface Field {
  values: ReadonlySet<number>;
  /** Every value, perhaps in steps: it sets no bound of its own. */
  isFree: boolean;
}

const fieldOf = (
  text: string,
  [least, most]: [number, number],
  names: readonly string[] = [],
): Field | undefined => {
  const numberOf = (part: string): number => {
    const named = names.indexOf(part.toLowerCase());
    return named >= 0 ? named : /^\d+$/.test(part) ? Number(part) : NaN;
  };
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [, range = '', first = '', last, step] = /^(([*?]|\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part) ?? [];
    if (range === '') return undefined;
    const isAll = first === '*' || first === '?';
    const from = isAll ? least : numberOf(first);
    const to = isAll || (last === undefined && step !== undefined) ? most : numberOf(last ?? first);
    const by = Number(step ?? 1);
    if (!(from >= least && from <= to && to <= most && by > 0)) return undefined;
    for (let value = from; value <= to; value += by) values.add(value);
  }
  return { values, isFree: /^[*?]/.test(text) };
};

const everyMillis = (text: string): number | undefined => {
  const found = /^@every (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text);
  if (found === null) return undefined;
  const [hours = 0, minutes = 0, seconds = 0] = found.slice(1).map((part) => Number(part ?? 0));
  return Math.max(1, hours * 3600 + minutes * 60 + seconds) * 1000;
};

/** Milliseconds by which the clocks of a zone are ahead of UTC at a time. */
const offsets = (zone: string): ((at: number) => number) => {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  return (at) => {
    const parts = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, Number(value)]),
    );
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
  };
};

/** Undefined for what is no schedule. Throws a RangeError for a time zone that is not known. */
export const parseSchedule = (text: string, zone = 'UTC'): Schedule | undefined => {
  const offsetAt = offsets(zone);
  const every = everyMillis(text);
  if (every !== undefined) return { next: (after) => Math.floor(after / 1000) * 1000 + every };
  const parts = (NAMED[text] ?? text).trim().split(/\s+/);
  const [minutes, hours, days, months, weekdays] = [
    fieldOf(parts[0] ?? '', [0, 59]),
    fieldOf(parts[1] ?? '', [0, 23]),
    fieldOf(parts[2] ?? '', [1, 31]),
    fieldOf(parts[3] ?? '', [1, 12], MONTHS),
    fieldOf(parts[4] ?? '', [0, 6], DAYS),
  ];
  if (parts.length !== 5 || !minutes || !hours || !days || !months || !weekdays) return undefined;

  const isDay = (date: Date): boolean => {
    if (!months.values.has(date.getUTCMonth() + 1)) return false;
    const byDate = days.values.has(date.getUTCDate());
    const byWeekday = weekdays.values.has(date.getUTCDay());
    // Bounded both ways, either will do.
    return days.isFree || weekdays.isFree ? byDate && byWeekday : byDate || byWeekday;
  };
  /** By the clock on the wall. */
  const nextLocal = (after: number): number | undefined => {
    const today = Math.floor(after / DAY) * DAY;
    for (let nth = 0; nth < FIVE_YEARS; nth++) {
      const day = today + nth * DAY;
      if (!isDay(new Date(day))) continue;
      for (const hour of hours.values)
        for (const minute of minutes.values) {
          const at = day + (hour * 60 + minute) * MINUTE;
          if (at > after) return at;
        }
    }
    return undefined;
  };
  return {
    next: (after) => {
      const local = nextLocal(after + offsetAt(after));
      if (local === undefined) return undefined;
      const guess = local - offsetAt(after);
      const at = local - offsetAt(guess);
      // Where clocks are set back, what was is not to be again.
      return at > after ? at : guess > after ? guess : after + 60 * MINUTE;
    },
  };
};

/** The last time of the schedule after one time and up to another. */
export const latestBetween = (schedule: Schedule, after: number, until: number): number | undefined => {
  const first = schedule.next(after);
  if (first === undefined || first > until) return undefined;
  // A schedule that slept for long has too many times to go through one by one: look back from the end.
  let span = (schedule.next(first) ?? until) - first;
  while (until - span > first && (schedule.next(until - span) ?? Infinity) > until) span *= 2;
  let latest = first;
  let at = schedule.next(Math.max(first, until - span));
  for (; at !== undefined && at <= until; at = schedule.next(at)) latest = at;
  return latest;
};
