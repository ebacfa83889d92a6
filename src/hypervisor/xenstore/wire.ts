/**
 * Messages of xenstore as bytes: a parser that takes a stream in pieces of any size, and the way back.
 *
 * A payload is a *byte string*: a JavaScript string with one character (0..255) a byte. Paths, values and lists of names are cut from it without copies.
 */
import { HEADER_BYTES, PAYLOAD_MAX } from './abi.ts';

export interface StoreMessage {
  readonly type: number;
  readonly requestId: number;
  readonly txId: number;
  /** Byte string. */
  readonly payload: string;
}

/** The bytes of a message. The payload may be longer than the protocol allows: tests send such things. */
export function encodeMessage(message: StoreMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + message.payload.length);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, message.type, true);
  header.setUint32(4, message.requestId, true);
  header.setUint32(8, message.txId, true);
  header.setUint32(12, message.payload.length, true);
  for (let i = 0; i < message.payload.length; i++) bytes[HEADER_BYTES + i] = message.payload.charCodeAt(i);
  return bytes;
}

export function byteString(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return text;
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A text as the bytes of its UTF-8. */
export function textToBytes(text: string): string {
  return byteString(utf8Encoder.encode(text));
}

/** The text whose UTF-8 these bytes are; bytes that are no UTF-8 become U+FFFD. */
export function bytesToText(bytes: string): string {
  // Nearly everything in xenstore is ASCII, which is the same in both.
  if (!/[\x80-\xff]/.test(bytes)) return bytes;
  return utf8Decoder.decode(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}

/** Cuts a stream of bytes into messages. */
export class MessageParser {
  readonly #header = new Uint8Array(HEADER_BYTES);
  readonly #fields = new DataView(this.#header.buffer);
  #headerUsed = 0;
  #payload: Uint8Array | null = null;
  #payloadUsed = 0;
  #isBroken = false;

  /** A header announced more than `PAYLOAD_MAX`: where the next message begins is no longer known, and nothing more is parsed. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** How many bytes the message under way lacks, as far as is known: its header's rest, or its payload's. */
  get wanted(): number {
    return this.#payload === null ? HEADER_BYTES - this.#headerUsed : this.#payload.length - this.#payloadUsed;
  }

  /** Forgets the message under way. */
  reset(): void {
    this.#headerUsed = 0;
    this.#payload = null;
    this.#isBroken = false;
  }

  /** Takes the next bytes, at most `wanted`: a message when they complete one, else null. */
  take(bytes: Uint8Array): StoreMessage | null {
    if (this.#isBroken) return null;
    if (this.#payload === null) {
      this.#header.set(bytes, this.#headerUsed);
      this.#headerUsed += bytes.length;
      if (this.#headerUsed < HEADER_BYTES) return null;
      const length = this.#fields.getUint32(12, true);
      if (length > PAYLOAD_MAX) {
        this.#isBroken = true;
        return null;
      }
      this.#payload = new Uint8Array(length);
      this.#payloadUsed = 0;
    } else {
      this.#payload.set(bytes, this.#payloadUsed);
      this.#payloadUsed += bytes.length;
    }
    return this.#payloadUsed === this.#payload.length ? this.#finish(this.#payload) : null;
  }

  /** All messages that end within `bytes`, the next part of the stream, of any size. */
  push(bytes: Uint8Array): StoreMessage[] {
    const messages: StoreMessage[] = [];
    for (let at = 0; at < bytes.length && !this.#isBroken; ) {
      const end = Math.min(bytes.length, at + this.wanted);
      const message = this.take(bytes.subarray(at, end));
      if (message !== null) messages.push(message);
      at = end;
    }
    return messages;
  }

  #finish(payload: Uint8Array): StoreMessage {
    const fields = this.#fields;
    const message = {
      type: fields.getUint32(0, true),
      requestId: fields.getUint32(4, true),
      txId: fields.getUint32(8, true),
      payload: byteString(payload),
    };
    this.reset();
    return message;
  }
}
