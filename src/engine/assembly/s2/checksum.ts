// Hot: once for each byte of a compressed link, in both directions.

/** Castagnoli's polynomial, lowest bit first. */
const POLYNOMIAL: u32 = 0x82f63b78;
/** What is added once the halves are swapped. Source: google/snappy, framing_format.txt, section 3. */
const MASK: u32 = 0xa282ead8;

let tables: u32 = 0;

/** Fills the tables: the first says what a byte does to a checksum, each further one what it does from one place further ahead. */
export function makeChecksumTables(address: u32): void {
  tables = address;
  for (let byte: u32 = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
    store<u32>(address + (byte << 2), sum);
  }
  for (let i: u32 = 256; i < 8 * 256; i++) {
    const before = load<u32>(address + ((i - 256) << 2));
    store<u32>(address + (i << 2), (before >> 8) ^ load<u32>(address + ((before & 0xff) << 2)));
  }
}

function at(table: u32, byte: u32): u32 {
  return load<u32>(tables + (table << 10) + ((byte & 0xff) << 2));
}

/** The checksum of `length` bytes as a chunk has it: CRC-32C, masked. */
export function checksum(from: u32, length: u32): u32 {
  let sum: u32 = 0xffffffff;
  while (length >= 8) {
    const low = load<u32>(from) ^ sum;
    const high = load<u32>(from, 4);
    sum =
      at(7, low) ^
      at(6, low >> 8) ^
      at(5, low >> 16) ^
      at(4, low >> 24) ^
      at(3, high) ^
      at(2, high >> 8) ^
      at(1, high >> 16) ^
      at(0, high >> 24);
    from += 8;
    length -= 8;
  }
  while (length != 0) {
    sum = (sum >> 8) ^ at(0, sum ^ load<u8>(from));
    from++;
    length--;
  }
  return rotr(~sum, 15) + MASK;
}
