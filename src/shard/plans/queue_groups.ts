/**
 * Queue groups while a plan is built. Members of the same queue name are one group, whatever their accounts. Hot: once
 * per miss.
 */
import { NODE_FAR } from "../../memory/map.ts";
import type { Leg } from "./plan_match.ts";

/** Members of a group that a plan names at most: any of them may be picked, so a part of them serves as well as all. */
const GROUP_LOCALS_MAX = 8192;

/** A member on this shard, and the leg that it subscribes to. */
interface LocalMember {
  readonly member: number;
  readonly leg: Leg;
}

export class QueueGroup {
  readonly queue: number;
  readonly locals: LocalMember[] = [];
  /** (node, members) pairs. */
  readonly nodes: number[] = [];
  /** Members on servers that serve the group only if nobody nearer does. */
  far = 0;

  constructor(queue: number) {
    this.queue = queue;
  }

  addNode(node: number, members: number): void {
    for (let i = 0; i < this.nodes.length; i += 2) {
      if (this.nodes[i] !== node) continue;
      this.nodes[i + 1]! += members;
      return;
    }
    this.nodes.push(node, members);
  }
}

export class QueueGroups {
  readonly all: QueueGroup[] = [];
  readonly #byQueue = new Map<number, QueueGroup>();
  readonly #linksNode: number;

  /** `linksNode` receives messages for members far away; 0 if there is none. */
  constructor(linksNode: number) {
    this.#linksNode = linksNode;
  }

  clear(): void {
    if (this.all.length === 0) return;
    this.all.length = 0;
    this.#byQueue.clear();
  }

  addLocal(queue: number, member: number, leg: Leg): void {
    const { locals } = this.#of(queue);
    if (locals.length < GROUP_LOCALS_MAX) locals.push({ member, leg });
  }

  addNode(queue: number, node: number, members: number): void {
    if (node === NODE_FAR) this.#of(queue).far += members;
    else this.#of(queue).addNode(node, members);
  }

  /**
   * Called once all members are known. Members far away serve the groups that nobody else does. If a group has members
   * on this shard only, those far away have weight 0 and come last: they are needed if no member here can take the
   * message, for example because it is the publisher's own.
   */
  settle(): void {
    let kept = 0;
    for (const group of this.all) {
      const { locals, nodes, far } = group;
      if (nodes.length === 0 && far > 0 && this.#linksNode !== 0)
        group.addNode(this.#linksNode, locals.length === 0 ? far : 0);
      if (locals.length + nodes.length > 0) this.all[kept++] = group;
    }
    this.all.length = kept;
  }

  /**
   * There is no room for all groups: halves the members of each group that may be picked; once no group has more than
   * one, halves the groups.
   */
  halve(): void {
    if (this.all.every(({ locals }) => locals.length <= 1)) this.all.length >>= 1;
    for (const { locals } of this.all) locals.length = (locals.length + 1) >> 1;
  }

  /** Bitmap of the nodes that may be picked. */
  get nodes(): number {
    let nodes = 0;
    for (const group of this.all) {
      for (let i = 0; i < group.nodes.length; i += 2) nodes |= 1 << group.nodes[i]!;
    }
    return nodes;
  }

  #of(queue: number): QueueGroup {
    let group = this.#byQueue.get(queue);
    if (group === undefined) {
      group = new QueueGroup(queue);
      this.#byQueue.set(queue, group);
      this.all.push(group);
    }
    return group;
  }
}
