import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describeJsonFault } from "./json_syntax.ts";

/** Go 1.26's message for the same text. */
const FAULTS: readonly [text: string, fault: string][] = [
  ["", "unexpected end of JSON input"],
  ["{", "unexpected end of JSON input"],
  ['{"a":"b', "unexpected end of JSON input"],
  ["x", "invalid character 'x' looking for beginning of value"],
  ["é", "invalid character 'Ã' looking for beginning of value"],
  ["'", "invalid character '\\'' looking for beginning of value"],
  ["[,", "invalid character ',' looking for beginning of value"],
  ["{a", "invalid character 'a' looking for beginning of object key string"],
  ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
  ['{"a" 1', "invalid character '1' after object key"],
  ['{"a":{} "', "invalid character '\"' after object key:value pair"],
  ['["a" 1', "invalid character '1' after array element"],
  ["{} x", "invalid character 'x' after top-level value"],
  ["01", "invalid character '1' after top-level value"],
  ["nul", "invalid character ' ' in literal null (expecting 'l')"],
  ["trua", "invalid character 'a' in literal true (expecting 'e')"],
  ["-a", "invalid character 'a' in numeric literal"],
  ["1.x", "invalid character 'x' after decimal point in numeric literal"],
  ["1ex", "invalid character 'x' in exponent of numeric literal"],
  ['"\n"', "invalid character '\\n' in string literal"],
  ['"\\x"', "invalid character 'x' in string escape code"],
  ['"\\u00g0"', "invalid character 'g' in \\u hexadecimal character escape"],
];

test.each(FAULTS)("describeJsonFault(%j)", (text, fault) => {
  expect(describeJsonFault(Buffer.from(text))).toBe(fault);
});

test("describeJsonFault() finds no character out of place in JSON", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(describeJsonFault(Buffer.from(json))).toBe("unexpected end of JSON input");
    }),
  );
});

test("describeJsonFault() finds a fault wherever JSON.parse() does", () => {
  const piece = fc.constantFrom(...'{}[]:,"\\/ue0-+.19tfn \n'.split(""), "true", "null", '"a"', "1e5");
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join("")),
      (text) => {
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        const fault = describeJsonFault(Buffer.from(text));
        if (isJson) expect(fault).toBe("unexpected end of JSON input");
        else
          expect(fault).toMatch(
            /^(invalid character '.+' (looking|after|in) |unexpected end of JSON input$)/,
          );
      },
    ),
    { numRuns: 500 },
  );
});
