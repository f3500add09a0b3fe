/** What this process uses: spec cantal 4.6. Bytes, percent. */
export interface SelfReport {
  readonly timestamp: number;
  /** 100 = one core, since the report before. */
  readonly gross_cpu_usage: number | null;
  readonly memory_rss: number;
  readonly memory_rss_peak: number;
  readonly memory_heap: number;
}

/** Each call measures since the one before. */
export function selfReporter(): () => SelfReport {
  let last = { at: performance.now(), cpu: process.cpuUsage() };
  let usage: number | null = null;
  return () => {
    const now = { at: performance.now(), cpu: process.cpuUsage() };
    const elapsedUs = (now.at - last.at) * 1000;
    // Two questions in one moment have nothing between them to measure.
    if (elapsedUs > 100_000) {
      const used = now.cpu.user + now.cpu.system - last.cpu.user - last.cpu.system;
      usage = (100 * used) / elapsedUs;
      last = now;
    }
    const memory = process.memoryUsage();
    return {
      timestamp: Date.now(),
      gross_cpu_usage: usage,
      memory_rss: memory.rss,
      memory_rss_peak: process.resourceUsage().maxRSS * 1024,
      memory_heap: memory.heapUsed,
    };
  };
}
