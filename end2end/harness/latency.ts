import type { Page } from "@playwright/test";

/** Milliseconds from a click until the page shows what it wrote. */
export interface Latency {
  /** On the page that was clicked. */
  own: Quantiles;
  /** In the other browser. */
  other: Quantiles;
}

export interface Quantiles {
  p50: number;
  p95: number;
}

/** Adds todos on one page, one after the other, and notes when each is in its DOM and in the other's. */
export async function measure(one: Page, other: Page, writes: number): Promise<Latency> {
  for (const page of [one, other]) await page.evaluate(watch);
  const own: number[] = [];
  const far: number[] = [];
  // The first ones fill caches.
  for (let number = -5; number < writes; number++) {
    const title = `Write ${number}`;
    const clicked = await one.evaluate(click, title);
    const [here, there] = await Promise.all([one, other].map((page) => page.evaluate(seenAt, title)));
    if (number < 0) continue;
    own.push((here ?? NaN) - clicked);
    far.push((there ?? NaN) - clicked);
  }
  return { own: quantiles(own), other: quantiles(far) };
}

/** The median and what is slow, rounded. */
export function quantiles(values: number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? NaN) * 10) / 10;
  return { p50: at(0.5), p95: at(0.95) };
}

/** How many times as long as the floor something takes, rounded. */
export function ratio(measured: number, floor: number): number {
  return Math.round((measured / floor) * 100) / 100;
}

// What follows runs in the page. All pages read the same clock: that of this machine.

declare global {
  interface Window {
    /** When each todo came into the DOM, in milliseconds since 1970. */
    seen: Map<string, number>;
    /** Who waits for a todo that has not come yet. */
    waiting: Map<string, (at: number) => void>;
    /** When the first row was there for a frame to be painted, in milliseconds since navigation began. */
    firstRow?: number;
  }
}

/** To be run before a page's own scripts. */
export function noteFirstRow() {
  const look = () => {
    if (document.querySelector("main ul li")) window.firstRow = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

function watch() {
  window.seen = new Map();
  window.waiting = new Map();
  const note = () => {
    const now = performance.timeOrigin + performance.now();
    for (const { textContent } of document.querySelectorAll("main ul label, main ul li:not(:has(label))")) {
      const title = textContent?.trim() ?? "";
      if (window.seen.has(title)) continue;
      window.seen.set(title, now);
      window.waiting.get(title)?.(now);
    }
  };
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
}

function click(title: string): number {
  const field = document.querySelector<HTMLInputElement>("main form input");
  const button = document.querySelector<HTMLButtonElement>("main form button");
  if (!field || !button) throw new Error("There is no form for new todos.");
  field.value = title;
  const now = performance.timeOrigin + performance.now();
  button.click();
  return now;
}

function seenAt(title: string): Promise<number> {
  return new Promise((resolve) => {
    const at = window.seen.get(title);
    if (at === undefined) window.waiting.set(title, resolve);
    else resolve(at);
  });
}
