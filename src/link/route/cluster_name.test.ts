import { describe, expect, test } from "bun:test";
import { ClusterName } from "./cluster_name.ts";

describe("ClusterName", () => {
  test("that is configured never gives way", () => {
    const cluster = new ClusterName("C1", false);
    expect(cluster.meet("C1", false, true)).toBe("same");
    expect(cluster.meet("C2", false, true)).toBe("conflict");
    expect(cluster.meet("C2", true, true)).toBe("conflict");
    expect(cluster.meet("", false, true)).toBe("conflict");
  });

  test("that was generated gives way to a greater one, and to a configured one for good", () => {
    const cluster = new ClusterName("m", true);
    expect(cluster.meet("a", true, true)).toBe("conflict");
    expect(cluster.meet("x", true, true)).toBe("adopted");
    expect(cluster.meet("C1", false, false)).toBe("adopted");
    expect(cluster.isDynamic).toBe(true);
    expect(cluster.meet("C0", false, true)).toBe("adopted");
    expect(cluster.name).toBe("C0");
    expect(cluster.meet("C1", false, true)).toBe("conflict");
    expect(cluster.wasGenerated).toBe(true);
  });

  test("never becomes the reserved one", () => {
    expect(new ClusterName("C", true).meet("_", false, true)).toBe("conflict");
  });
});
