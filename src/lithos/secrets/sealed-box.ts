import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';

/**
 * crypto_box_seal of libsodium (its documentation, "Sealed boxes"): a fresh key pair per box, X25519, HSalsa20,
 * XSalsa20-Poly1305, the nonce a hash of both public keys. Keys of ed25519 are mapped to curve25519.
 */

const keyBytes = 32;
const nonceBytes = 24;
const tagBytes = 16;

export function seal(publicKey: Uint8Array, text: Uint8Array): Uint8Array {
  const recipient = ed25519.utils.toMontgomery(publicKey);
  const ephemeral = x25519.keygen();
  const box = boxOf(ephemeral.secretKey, recipient, nonceOf(ephemeral.publicKey, recipient)).encrypt(text);
  return new Uint8Array([...ephemeral.publicKey, ...box]);
}

/** Null where it was not sealed for this key, or is damaged. */
export function open(seed: Uint8Array, publicKey: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (sealed.length < keyBytes + tagBytes) return null;
  const ephemeral = sealed.subarray(0, keyBytes);
  try {
    const recipient = ed25519.utils.toMontgomery(publicKey);
    const secret = ed25519.utils.toMontgomerySecret(seed);
    return boxOf(secret, ephemeral, nonceOf(ephemeral, recipient)).decrypt(sealed.subarray(keyBytes));
  } catch {
    return null;
  }
}

function nonceOf(ephemeral: Uint8Array, recipient: Uint8Array): Uint8Array {
  return blake2b(new Uint8Array([...ephemeral, ...recipient]), { dkLen: nonceBytes });
}

/** The key of a box is HSalsa20 of the shared secret under a nonce of zeros. */
function boxOf(secretKey: Uint8Array, publicKey: Uint8Array, nonce: Uint8Array) {
  return xsalsa20poly1305(hsalsa20(x25519.getSharedSecret(secretKey, publicKey)), nonce);
}

const words = (bytes: Uint8Array): Uint32Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(4 * index, true));
};

function hsalsa20(key: Uint8Array): Uint8Array {
  const out = new Uint32Array(8);
  hsalsa(words(new TextEncoder().encode('expand 32-byte k')), words(key), new Uint32Array(4), out);
  const bytes = new Uint8Array(keyBytes);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of out.entries()) view.setUint32(4 * index, word, true);
  return bytes;
}
