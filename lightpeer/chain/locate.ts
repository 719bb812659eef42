/** Where two chains part, found by asking the other one about a few places at a time. */
import type { Point } from './block.js';

/** Places asked about in one go. */
const ASK = 32;

export interface Located {
  /** The highest of the places asked about that is in the other chain. */
  readonly common: Point | undefined;
  readonly base: Point;
  readonly head: Point;
  /** The highest NETWORK block of this chain that the other went through, also when it has compacted it. */
  readonly waypoint: Point | undefined;
}

export interface OwnChain {
  /** Lowest and highest place that the chain knows. */
  readonly base: Point;
  readonly head: Point;
  at(height: number): Promise<Point | undefined>;
}

/** The last place that both chains have; `common` is undefined when there is none that both still know. */
export async function locate(
  own: OwnChain,
  ask: (places: readonly Point[]) => Promise<Located>,
): Promise<Located> {
  const askAt = async (heights: readonly number[]): Promise<Located> => {
    const places: Point[] = [];
    for (const height of heights) {
      const known = [own.base, own.head].find((point) => point.height === height) ?? (await own.at(height));
      if (known !== undefined) places.push({ height, digest: known.digest });
    }
    return ask(places);
  };
  // The first question doubles its steps back from the head: what is only behind is found at once.
  let heights = backFrom(own.head.height, own.base.height);
  let answer = await askAt(heights);
  const start = answer.base.height;
  // The other chain may begin between two of these places.
  if (answer.common === undefined && start > own.base.height && start < own.head.height) {
    answer = await askAt([start]);
    heights = [start, own.head.height];
  }
  let common = answer.common;
  if (common === undefined) return answer;
  let lacking = heights.find((height) => height > common!.height);
  while (lacking !== undefined && lacking - common.height > 1) {
    heights = between(common.height, lacking);
    const { common: higher } = await askAt(heights);
    lacking = heights.find((height) => height > (higher ?? common!).height) ?? lacking;
    common = higher ?? common;
  }
  return { ...answer, common };
}

/** From `high` back to `low`, lowest first. */
function backFrom(high: number, low: number): number[] {
  const heights = [high];
  for (let step = 1; high - step > low && heights.length < ASK; step *= 2) heights.unshift(high - step);
  return low < high ? [low, ...heights] : heights;
}

/** Evenly spread heights between two, without them. */
function between(low: number, high: number): number[] {
  const step = Math.max(1, Math.ceil((high - low) / ASK));
  const heights: number[] = [];
  for (let height = low + step; height < high; height += step) heights.push(height);
  return heights;
}
