/** How busy this process is: percent of one CPU over the time since the last look. */
export class CpuMeter {
  #usage = process.cpuUsage();
  #timeMs = performance.now();
  #percent = 0;

  /** 100 is one CPU in full. Looks closer together than this share an answer, which a short span would make jumpy. */
  percent(spanMs = 1000): number {
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.#timeMs;
    if (elapsedMs < spanMs && this.#percent !== 0) return this.#percent;
    const usage = process.cpuUsage();
    const busyMs = (usage.user - this.#usage.user + usage.system - this.#usage.system) / 1000;
    this.#percent = elapsedMs > 0 ? Math.round((1000 * busyMs) / elapsedMs) / 10 : 0;
    this.#usage = usage;
    this.#timeMs = nowMs;
    return this.#percent;
  }
}
