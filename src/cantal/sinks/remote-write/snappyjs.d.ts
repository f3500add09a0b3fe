/** The package brings no types. Blocks of the snappy format, without a frame. */
declare module 'snappyjs' {
  export function compress(bytes: Uint8Array): Uint8Array;
  export function uncompress(bytes: Uint8Array, mostBytes?: number): Uint8Array;
}
