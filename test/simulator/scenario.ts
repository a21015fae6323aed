/**
 * One seed: a deployment comes up, lives through a few seconds of clients that come and go, links that break, slow down and
 * heal, and servers that die and come back; then everything is left alone, and must be as it should. Some seeds are servers
 * that are leaf nodes of each other in a circle: they are left alone from the start.
 */
import { Observations } from "./observations.ts";
import { SeededRandom } from "./random.ts";
import { ACCOUNTS, circle, type PlannedServer, randomTopology } from "./topology.ts";
import { VirtualNetwork } from "./virtual_network.ts";
import { VirtualServer, type VirtualSubscription } from "./virtual_server.ts";
import { VirtualTime } from "./virtual_time.ts";

export interface Outcome {
  readonly seed: number;
  readonly servers: readonly string[];
  readonly events: number;
  readonly messages: number;
  readonly deliveries: number;
  /** What went against a rule, in the order it was found; empty for a seed that passes. */
  readonly violations: readonly string[];
}

const START_MS = 4000;
const LIFE_MS = 12_000;
/** Longer than any server waits before it dials again. */
const REST_MS = 40_000;
const ANSWER_MS = 1500;
/** One seed in so many is a circle. */
const CIRCLE_EVERY = 20;
/** Long enough for a circle to be found, and too short for the server that broke it to dial again. */
const CIRCLE_MS = 10_000;
const CIRCLE_MESSAGES = 10;
/** Messages to a group one of whose members has just gone. */
const MOVED_MESSAGES = 4;
/** A hundred times the events of a usual seed. */
const EVENTS_MAX = 200_000;

const SUBJECTS = ["a.b", "a.c", "x", "deep.er.still"];
const PATTERNS = [...SUBJECTS, "a.*", ">", "deep.>"];
const QUEUES = ["", "", "", "q", "r"];

export function runSeed(seed: number): Outcome {
  return new Scenario(seed).run();
}

class Scenario {
  readonly #seed: number;
  readonly #isCircle: boolean;
  readonly #random: SeededRandom;
  readonly #time = new VirtualTime(EVENTS_MAX);
  readonly #network: VirtualNetwork;
  readonly #observations: Observations;
  readonly #plans: readonly PlannedServer[];
  readonly #servers: readonly VirtualServer[];
  readonly #violations: string[] = [];
  #subscriptionCount = 0;
  #messageCount = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#isCircle = seed % CIRCLE_EVERY === 0;
    this.#random = new SeededRandom(seed);
    this.#network = new VirtualNetwork(this.#time, this.#random);
    this.#observations = new Observations((text) => this.#violations.push(text));
    this.#plans = (this.#isCircle ? circle : randomTopology)(this.#random).servers;
    this.#servers = this.#plans.map((plan) => {
      return new VirtualServer(plan, ACCOUNTS, this.#network, this.#random, (subscription, message) => {
        this.#observations.delivered(subscription, message);
        this.#answer(subscription, message.reply, message.account);
      });
    });
  }

  run(): Outcome {
    for (const server of this.#servers) {
      this.#time.after(this.#random.between(0, 2000), () => server.start());
    }
    if (this.#isCircle) {
      this.#goRound();
    } else {
      this.#runUntil(START_MS);
      this.#liveUntil(START_MS + LIFE_MS);
      this.#rest();
      this.#judge();
    }
    return {
      seed: this.#seed,
      servers: this.#plans.map(({ name }) => name),
      events: this.#time.count,
      messages: this.#messageCount,
      deliveries: this.#observations.count,
      violations: this.#violations,
    };
  }

  /** Messages in a circle come to nobody twice. */
  #goRound(): void {
    this.#runUntil(START_MS);
    for (const server of this.#servers) server.subscribe(`all of ${server.name}`, "$G", ">", "");
    this.#runUntil(CIRCLE_MS);
    for (let i = 0; i < CIRCLE_MESSAGES; i++) this.#send(this.#random.pick(this.#servers), "$G", "round");
    this.#runUntil(CIRCLE_MS + ANSWER_MS);
  }

  #runUntil(untilMs: number): void {
    this.#time.runUntil(untilMs);
  }

  #liveUntil(endMs: number): void {
    while (this.#time.nowMs < endMs) {
      this.#happen();
      this.#runUntil(Math.min(this.#time.nowMs + this.#random.between(5, 150), endMs));
    }
  }

  /** One thing that happens. */
  #happen(): void {
    const random = this.#random;
    const server = random.pick(this.#servers);
    const kind = random.below(100);
    if (!server.isUp) {
      if (kind < 30) server.start();
      return;
    }
    if (kind < 30) this.#subscribe(server);
    else if (kind < 36) this.#unsubscribe(server);
    else if (kind < 40) this.#reconnect(server);
    else if (kind < 85) this.#publish(server);
    else if (kind < 88) server.crash();
    else {
      const other = random.pick(this.#servers);
      if (other === server) return;
      if (kind < 91) this.#network.breakConnections(server, other);
      else if (kind < 94) this.#network.cut(server, other);
      else if (kind < 97) this.#network.heal(server, other);
      else this.#network.slow(server, other, random.between(0, 200));
    }
  }

  #subscribe(server: VirtualServer): void {
    const random = this.#random;
    const id = `sub${++this.#subscriptionCount}`;
    server.subscribe(id, random.pick(ACCOUNTS), random.pick(PATTERNS), random.pick(QUEUES));
  }

  #unsubscribe(server: VirtualServer): void {
    const subscriptions = [...server.subscriptions];
    if (subscriptions.length > 0) server.unsubscribe(this.#random.pick(subscriptions));
  }

  /** A client with some of the subscriptions goes, and comes back at once with others to the same subjects. */
  #reconnect(server: VirtualServer): void {
    const random = this.#random;
    const gone = [...server.subscriptions].filter(() => random.oneIn(2));
    for (const subscription of gone) server.unsubscribe(subscription);
    while (gone.length > 0) {
      const [{ account, subject, queue }] = gone.splice(random.below(gone.length), 1) as [
        VirtualSubscription,
      ];
      server.subscribe(`sub${++this.#subscriptionCount}`, account, subject, queue);
    }
  }

  #publish(server: VirtualServer): void {
    this.#send(server, this.#random.pick(ACCOUNTS), this.#random.pick(SUBJECTS));
  }

  #send(server: VirtualServer, account: string, subject: string): number {
    const number = ++this.#messageCount;
    this.#observations.published(number, server, this.#clusterOf(server));
    server.publish(account, subject, `${number}`);
    return number;
  }

  /** Everything heals, every server is up, every subject has seen its last change; links settle. */
  #rest(): void {
    this.#network.healAll();
    for (const server of this.#servers) if (!server.isUp) server.start();
    for (const server of this.#servers) {
      for (let i = this.#random.below(3); i > 0; i--) this.#subscribe(server);
      if (this.#random.oneIn(2)) this.#unsubscribe(server);
    }
    this.#runUntil(this.#time.nowMs + REST_MS);
    this.#observations.rest();
  }

  /** Sends to every subject from every server, asks a question from each, and compares who got what with who should. */
  #judge(): void {
    for (const server of this.#servers) {
      for (const account of ACCOUNTS) {
        for (const subject of SUBJECTS) {
          const number = this.#send(server, account, subject);
          this.#observations.expect(number, account, subject, this.#servers);
        }
      }
      this.#ask(server);
    }
    for (const cluster of new Set(this.#plans.map((plan) => plan.cluster))) this.#move(cluster);
    this.#runUntil(this.#time.nowMs + ANSWER_MS);
    this.#observations.judge();
  }

  /** A request, with an inbox made just before; whoever serves it answers at once. */
  #ask(server: VirtualServer): void {
    const inbox = `_INBOX.${server.name}`;
    const service = this.#servers.find((other) => this.#random.oneIn(2) && other !== server) ?? server;
    const responder = service.subscribe(`service of ${service.name}`, "$G", `ask.${server.name}`, "");
    this.#runUntil(this.#time.nowMs + ANSWER_MS);
    const answers = server.subscribe(`inbox of ${server.name}`, "$G", inbox, "");
    const number = ++this.#messageCount;
    this.#observations.asked(number, answers);
    server.publish("$G", `ask.${server.name}`, `question ${number}`, inbox);
    this.#runUntil(this.#time.nowMs + ANSWER_MS);
    service.unsubscribe(responder);
    server.unsubscribe(answers);
  }

  /**
   * A member of a group goes while messages for it are under way: its server hands them on to the one that has another. It
   * may not, and then they are lost, where that one has them anyway for its plain subscribers.
   */
  #move(cluster: string): void {
    const random = this.#random;
    const members = this.#servers.filter((server) => this.#clusterOf(server) === cluster);
    if (members.length < 3) return;
    const [from, left, kept] = members as [VirtualServer, VirtualServer, VirtualServer];
    const subject = `moving.${cluster}`;
    const leaving = left.subscribe(`leaving ${cluster}`, "$G", subject, "movers");
    kept.subscribe(`staying ${cluster}`, "$G", subject, "movers");
    if (random.oneIn(2)) kept.subscribe(`watching ${cluster}`, "$G", subject, "");
    this.#runUntil(this.#time.nowMs + ANSWER_MS);
    left.unsubscribe(leaving);
    for (let i = 0; i < MOVED_MESSAGES; i++) {
      const number = this.#send(from, "$G", subject);
      this.#observations.expect(number, "$G", subject, this.#servers, "unless plain");
    }
    this.#runUntil(this.#time.nowMs + ANSWER_MS);
  }

  #answer(subscription: VirtualSubscription, reply: string, account: string): void {
    if (reply === "" || !subscription.id.startsWith("service")) return;
    this.#time.after(this.#random.between(0, 2), () => {
      if (subscription.server.isUp) subscription.server.publish(account, reply, "answer");
    });
  }

  #clusterOf(server: VirtualServer): string {
    return this.#plans.find(({ name }) => name === server.name)!.cluster;
  }
}
