declare const STELLWERK_VERSION: string | undefined;

/** Set by the bundler from package.json; "source" where TypeScript is run unbundled (tests). */
export const version: string = typeof STELLWERK_VERSION === 'string' ? STELLWERK_VERSION : 'source';
