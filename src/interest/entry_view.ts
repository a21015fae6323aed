/**
 * One entry. Entries are read into the same object again and again, so that only texts are allocated. Accounts are ids;
 * subject and queue names are byte strings (`subject/byte_string.ts`).
 */
export class EntryView {
  accountId = 0;
  subject = "";
  /** Bit n: node n has plain interest, filtered or not. Negative if node 31 has. */
  plainNodes = 0;
  /** Queue groups are in `[0, memberCount)` of the four arrays. The same queue and node comes once for each filter. */
  memberCount = 0;
  readonly queues: string[] = [];
  readonly queueIds: number[] = [];
  readonly nodes: number[] = [];
  readonly members: number[] = [];

  clear(accountId: number, subject: string, plainNodes: number): void {
    this.accountId = accountId;
    this.subject = subject;
    this.plainNodes = plainNodes;
    this.memberCount = 0;
  }

  addMembers(queue: string, queueId: number, node: number, members: number): void {
    const at = this.memberCount++;
    this.queues[at] = queue;
    this.queueIds[at] = queueId;
    this.nodes[at] = node;
    this.members[at] = members;
  }
}
