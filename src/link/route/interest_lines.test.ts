import { describe, expect, test } from "bun:test";
import { byteStringOf } from "../../subject/byte_string.ts";
import { InterestLines } from "./interest_lines.ts";

const NEWEST = { lnoc: true, lnocu: true, ln: true };
const WITHOUT_ANY = { lnoc: true, lnocu: true, ln: false };
const V29 = { lnoc: true, lnocu: false, ln: false };
const OLDEST = { lnoc: false, lnocu: false, ln: false };

function key(subject: string, queue = "", origin = "") {
  return { account: "$G", subject, queue, origin };
}

describe("InterestLines", () => {
  test("says everything as it is to a peer that understands it", () => {
    const lines = new InterestLines(NEWEST, true);
    expect(lines.change(key("foo.>"), 1)).toBe("RS+ $G foo.>\r\n");
    expect(lines.change(key("foo", "q"), 3)).toBe("RS+ $G foo q 3\r\n");
    expect(lines.change(key("foo", "q"), 0)).toBe("RS- $G foo q\r\n");
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("LS+ LC $G lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 0)).toBe("LS- LC $G lf\r\n");
    expect(lines.change(key("lf", "q", "_"), 2)).toBe("LS+ _ $G lf q 2\r\n");
    expect(lines.change(key("lf", "q", "_"), 0)).toBe("LS- _ $G lf q\r\n");
  });

  test("says many plain subjects in one piece, to a peer that files each under a name of its own", () => {
    const text = (lines: InterestLines) => {
      const bytes = lines.ofPlain("$G", ["foo", "b\xe4r.*"]);
      return bytes === null ? null : byteStringOf(bytes);
    };
    expect(text(new InterestLines(NEWEST, true))).toBe("RS+ $G foo\r\nRS+ $G b\xe4r.*\r\n");
    expect(text(new InterestLines(NEWEST, false))).toBe("RS+ foo\r\nRS+ b\xe4r.*\r\n");
    for (const abilities of [WITHOUT_ANY, V29, OLDEST]) {
      expect(text(new InterestLines(abilities, true))).toBeNull();
    }
  });

  test("says `_` as no origin to a peer that does not know it, and adds it to the rest", () => {
    const lines = new InterestLines(WITHOUT_ANY, true);
    expect(lines.change(key("lf", "", "_"), 1)).toBe("RS+ $G lf\r\n");
    expect(lines.change(key("lf"), 1)).toBe("");
    expect(lines.change(key("lf", "", "_"), 0)).toBe("");
    expect(lines.change(key("lf"), 0)).toBe("RS- $G lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("LS+ LC $G lf\r\n");
  });

  test("adds up origins for a peer that takes none back", () => {
    const lines = new InterestLines(V29, true);
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("LS+ LC $G lf\r\n");
    expect(lines.change(key("lf"), 1)).toBe("");
    expect(lines.change(key("lf", "", "LC"), 0)).toBe("");
    expect(lines.change(key("lf"), 0)).toBe("RS- $G lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("LS+ LC $G lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 0)).toBe("LS- $G lf\r\n");
  });

  test("adds up members of a group over all origins", () => {
    const lines = new InterestLines(V29, true);
    expect(lines.change(key("lf", "q", "LC"), 1)).toBe("LS+ LC $G lf q 1\r\n");
    expect(lines.change(key("lf", "q"), 1)).toBe("RS+ $G lf q 2\r\n");
    expect(lines.change(key("lf", "q", "LD"), 3)).toBe("RS+ $G lf q 5\r\n");
    expect([...lines.shared()]).toEqual([{ key: key("lf", "q"), weight: 5 }]);
    expect(lines.change(key("lf", "q"), 0)).toBe("RS+ $G lf q 4\r\n");
    expect(lines.change(key("lf", "q", "LD"), 0)).toBe("LS+ LC $G lf q 1\r\n");
    expect(lines.change(key("lf", "q", "LC"), 0)).toBe("LS- $G lf q\r\n");
    expect([...lines.shared()]).toEqual([]);
  });

  test("leaves the account out on a connection that is for one alone", () => {
    const lines = new InterestLines(NEWEST, false);
    expect(lines.change(key("foo"), 1)).toBe("RS+ foo\r\n");
    expect(lines.change(key("foo", "q"), 3)).toBe("RS+ foo q 3\r\n");
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("LS+ LC lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 0)).toBe("LS- LC lf\r\n");
  });

  test("forgets an account that another connection has taken over", () => {
    const lines = new InterestLines(V29, true);
    lines.change(key("lf", "", "LC"), 1);
    lines.change({ ...key("lf", "", "LC"), account: "$GX" }, 1);
    lines.forgetAccount("$G");
    expect([...lines.shared()].map(({ key: { account } }) => account)).toEqual(["$GX"]);
    expect(lines.change(key("lf"), 1)).toBe("RS+ $G lf\r\n");
  });

  test("names no origin to a peer without them", () => {
    const lines = new InterestLines(OLDEST, true);
    expect(lines.change(key("lf", "", "LC"), 1)).toBe("RS+ $G lf\r\n");
    expect(lines.change(key("lf", "", "LC"), 0)).toBe("RS- $G lf\r\n");
  });
});
