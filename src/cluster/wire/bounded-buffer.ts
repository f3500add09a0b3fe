import { ByteBuffer, type Encoding } from 'flatbuffers';

/** A number in the packet points outside of it, or a text is no UTF-8. */
export class DamagedBuffer extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'DamagedBuffer';
  }
}

/**
 * The library's reader trusts what it reads; in JavaScript it has no verifier. All of its reads go through these four
 * methods: here each is held to the packet, so that a damaged offset is an error and never a value made of nothing.
 */
export class BoundedBuffer extends ByteBuffer {
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  override readUint8(offset: number): number {
    this.#check(offset, 1);
    return super.readUint8(offset);
  }

  override readUint16(offset: number): number {
    this.#check(offset, 2);
    return super.readUint16(offset);
  }

  override readInt32(offset: number): number {
    this.#check(offset, 4);
    return super.readInt32(offset);
  }

  override __string(offset: number, _encoding?: Encoding): string {
    const at = offset + this.readInt32(offset);
    const length = this.readInt32(at);
    this.#check(at + 4, length);
    try {
      return this.#utf8.decode(this.bytes().subarray(at + 4, at + 4 + length));
    } catch {
      throw new DamagedBuffer('no UTF-8');
    }
  }

  #check(offset: number, length: number): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.capacity()) return;
    throw new DamagedBuffer('points outside of the packet');
  }
}
