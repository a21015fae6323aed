import { describe, expect, test } from "bun:test";
import { Exposition, metricName } from "./exposition.ts";

describe("Exposition", () => {
  test("writes the samples of a metric together, below its help and type", () => {
    const exposition = new Exposition();
    exposition.add("a_total", "counter", 1, { shard: "0" }, "All of a.");
    exposition.add("b", "gauge", 0.5, {});
    exposition.add("a_total", "counter", 2n ** 60n, { shard: "1" }, "All of a.");
    expect(exposition.text()).toBe(
      '# HELP a_total All of a.\n# TYPE a_total counter\na_total{shard="0"} 1\n' +
        'a_total{shard="1"} 1152921504606846976\n# TYPE b gauge\nb 0.5\n',
    );
  });

  test("escapes what ends a label or a line, in labels and in help", () => {
    const exposition = new Exposition();
    exposition.add("a", "gauge", 1, { name: 'x"} 5\n# TYPE \\é\t' }, 'a "b"\nc\\d');
    expect(exposition.text()).toBe(
      '# HELP a a "b"\\nc\\\\d\n# TYPE a gauge\na{name="x\\"} 5\\n# TYPE \\\\é\t"} 1\n',
    );
  });

  test("keeps the first of two samples with the same labels", () => {
    const exposition = new Exposition();
    exposition.add("a", "gauge", 1, { port: 1 });
    exposition.add("a", "gauge", 2, { port: "1" });
    expect(exposition.text()).toBe('# TYPE a gauge\na{port="1"} 1\n');
  });

  test("writes values that are no finite numbers as Go reads them", () => {
    const exposition = new Exposition();
    for (const value of [Infinity, -Infinity, Number.NaN]) {
      exposition.add("a", "gauge", value, { value: String(value) });
    }
    expect(exposition.text().match(/\S+$/gm)?.slice(1)).toEqual(["+Inf", "-Inf", "NaN"]);
  });
});

test("metricName() makes a valid name of any text", () => {
  expect(metricName("http_req_stats", "/")).toBe("http_req_stats");
  expect(metricName("http_req_stats", "/debug/vars")).toBe("http_req_stats_debug_vars");
  expect(metricName("tag", 'é a-"b"')).toBe("tag_a_b");
  expect(metricName("9lives")).toBe("_9lives");
});
