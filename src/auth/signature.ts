/** Whether `signature` is the Ed25519 signature of `message` by the encoded public key. Takes 0.1 ms. */
export type SignatureCheck = (publicKey: string, message: Uint8Array, signature: Uint8Array) => boolean;

/** Whether `signature`, decoded from CONNECT, is that of the nonce as it stood in INFO. */
export function isNonceSigned(
  publicKey: string,
  nonce: string,
  signature: Uint8Array,
  verify: SignatureCheck,
): boolean {
  // Without a nonce there is nothing a client can have signed for this connection alone.
  return nonce !== "" && verify(publicKey, new TextEncoder().encode(nonce), signature);
}
