import { expect, test } from "bun:test";
import { KeyPair, verifySignature } from "../auth/nkey.ts";
import { SealingKey } from "../auth/xkey.ts";
import { newServerKeys } from "./server_keys.ts";

test("newServerKeys() gives other keys each time", async () => {
  const [one, two] = [await newServerKeys(), await newServerKeys()];
  expect(one.id).toMatch(/^N[A-Z2-7]{55}$/);
  expect(one.xkey).toMatch(/^X[A-Z2-7]{55}$/);
  expect(one.id === two.id).toBe(false);
  expect(one.xkey === two.xkey).toBe(false);
});

test("newServerKeys() gives the secrets of its public keys", async () => {
  const { id, xkey, secrets } = await newServerKeys();
  const message = new TextEncoder().encode("message");
  const signing = KeyPair.fromSecret("server", secrets.signing);
  expect(signing.publicKey).toBe(id);
  expect(verifySignature(id, message, signing.sign(message))).toBe(true);

  const sealing = KeyPair.fromSecret("curve", secrets.sealing);
  expect(sealing.publicKey).toBe(xkey);
  const other = KeyPair.create("curve");
  const sealed = new SealingKey(other).seal(message, xkey);
  const opened = sealed.ok && new SealingKey(sealing).open(sealed.bytes, other.publicKey);
  expect(opened).toMatchObject({ ok: true });
});
