import { expect, test } from "bun:test";
import fc from "fast-check";
import { MatchResult } from "./match_result.ts";
import type { InspectedIndex } from "./testing/inspected_index.ts";
import { NaiveInterest } from "./testing/naive_interest.ts";
import { addFiltered, addPlain, addQueue, find, MEBIBYTE, newIndex, outcome } from "./testing/text_calls.ts";

const decoder = new TextDecoder();

const token = fc.constantFrom("a", "b", "*", "*", "a-rather-long-token", "c");
const subject = fc
  .tuple(fc.array(token, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([tokens, isOpen]) => (isOpen ? [...tokens.slice(1), ">"] : tokens).join("."));
const operation = fc.record({
  kind: fc.constantFrom("plain", "plain", "queue", "filtered", "remove", "remove", "removeNode"),
  node: fc.constantFrom(0, 1, 31),
  accountId: fc.constantFrom(1, 2),
  subject,
  queue: fc.constantFrom("q", "workers", "a.b.*"),
  isPlain: fc.boolean(),
  filter: fc.constantFrom("a", "a.b *.c", "*.*", "b.> a.>"),
  pick: fc.nat(),
});

test("InterestIndex: any order of adds and removals matches as the naive model does", () => {
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 80 }),
      fc.array(subject, { maxLength: 12 }),
      (operations, published) => {
        const index = newIndex(2 * MEBIBYTE);
        const model = new NaiveInterest();
        const result = new MatchResult();
        for (const { kind, node, accountId, subject, queue, isPlain, filter, pick } of operations) {
          if (kind === "plain") {
            model.addPlain(node, accountId, subject, addPlain(index, node, accountId, subject));
          } else if (kind === "queue") {
            const entryId = addQueue(index, node, accountId, subject, queue);
            model.addMember({ node, accountId, subject, entryId, queue, filter: "" });
          } else if (kind === "filtered") {
            const name = isPlain ? "" : queue;
            const entryId = addFiltered(index, node, accountId, subject, name, filter);
            model.addMember({ node, accountId, subject, entryId, queue: name, filter });
          } else if (kind === "removeNode" && pick % 4 === 0) {
            model.removeNode(node);
            index.removeNode(node);
          } else if (kind === "remove" && model.entries.size > 0) {
            removeSome(index, model, pick);
          }
          expect(outcome(index, accountId, subject, result)).toEqual(model.match(accountId, subject));
        }
        index.invariants();
        expect(index.statistics().entries).toBe(model.entries.size);
        for (const name of published) {
          for (const accountId of [1, 2]) {
            expect(outcome(index, accountId, name, result)).toEqual(model.match(accountId, name));
          }
        }
        for (const entry of model.entries.values()) {
          expect(find(index, entry.accountId, entry.subject)).toBe(entry.entryId);
        }
      },
    ),
    { numRuns: 150 },
  );
});

/** Removes one plain interest or member that the model says is there. */
function removeSome(index: InspectedIndex, model: NaiveInterest, pick: number): void {
  const entries = [...model.entries.values()];
  const entry = entries[pick % entries.length]!;
  const [node] = entry.nodes;
  if (node !== undefined) {
    index.removePlain(node, entry.entryId);
    model.removePlain(node, entry.accountId, entry.subject);
    return;
  }
  const members = model.membersOf(entry);
  const member = members[pick % members.length]!;
  const { queueId, filterId } = index
    .describe(entry.entryId)!
    .members.find(
      (found) =>
        found.node === member.node &&
        decoder.decode(found.queue) === member.queue &&
        decoder.decode(found.filter) === member.filter,
    )!;
  if (member.filter === "") index.removeQueue(member.node, entry.entryId, queueId);
  else index.removeFiltered(member.node, entry.entryId, queueId, filterId);
  model.removeMember(member);
}
