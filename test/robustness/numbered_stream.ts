import { Buffer } from "node:buffer";

/** A PUB whose payload starts with its number and is `size` bytes long (at least 10). */
export function numbered(subject: string, number: number, size = 16): Buffer {
  const payload = Buffer.alloc(size, 0x78);
  payload.write(String(number).padStart(10, "0"));
  return Buffer.concat([Buffer.from(`PUB ${subject} ${size}\r\n`), payload, Buffer.from("\r\n")]);
}

/** Checks that a stream arrives once and in order; hand `take` to a client as its `message`. */
export class NumberedStream {
  readonly #subject: string;
  next = 0;
  failure: string | undefined;

  constructor(subject: string) {
    this.#subject = subject;
  }

  readonly take = (subject: string, _sid: string, payload: Buffer): void => {
    if (subject !== this.#subject) return;
    const number = Number(payload.toString("latin1", 0, 10));
    if (number !== this.next)
      this.failure ??= `message ${number} of ${subject} came where ${this.next} was due`;
    this.next++;
  };
}
