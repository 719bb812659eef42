/** Many calls of one kind, carefully begun: where one is refused, most are. */

/** Calls at once, at most. */
const LARGEST_BATCH = 32;

/** Runs `times` calls, in batches that grow while all goes well; the first failure ends it after its batch. */
export const slowStart = async (times: number, call: (nth: number) => Promise<void>): Promise<void> => {
  for (let done = 0, size = 1; done < times; size = Math.min(size * 2, LARGEST_BATCH)) {
    const batch = Array.from({ length: Math.min(size, times - done) }, (_, nth) => call(done + nth));
    const failed = (await Promise.allSettled(batch)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    done += batch.length;
  }
};
