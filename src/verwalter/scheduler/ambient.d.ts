/** A Lua file, as its text: the bundler's text loader makes it so (scripts/build.mjs, vitest.config.ts). */
declare module '*.lua' {
  const text: string;
  export = text;
}

/** What lua-vm.ts uses of WebAssembly (ECMAScript API); Node's own types leave it to those of browsers. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string }[];
  }
  class Instance {
    constructor(module: Module, imports: object);
    readonly exports: Record<string, unknown>;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  interface Table {
    grow(by: number): number;
    get(index: number): unknown;
    set(index: number, value: unknown): void;
  }
}
