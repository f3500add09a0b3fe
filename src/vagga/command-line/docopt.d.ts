declare module 'docopt' {
  /** Throws an Error whose message is the usage where the words do not fit, or the text cannot be understood. */
  export function docopt(
    doc: string,
    options: { readonly argv: readonly string[]; readonly help: boolean; readonly exit: boolean },
  ): Readonly<Record<string, unknown>>;
}
