/** Random numbers that a seed repeats. */
export class Random {
  constructor(private state: number) {}

  /** From 0 up to, but without, `limit`. */
  below(limit: number): number {
    // SplitMix32.
    this.state = (this.state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * limit);
  }

  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error("There is nothing to pick from.");
    return items[this.below(items.length)] as T;
  }

  /** Up to `count` different ones. */
  sample<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const size = Math.min(count, left.length);
    for (let index = 0; index < size; index++) {
      const other = index + this.below(left.length - index);
      [left[index], left[other]] = [left[other] as T, left[index] as T];
    }
    return left.slice(0, size);
  }
}
