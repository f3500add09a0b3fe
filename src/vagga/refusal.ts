import type { exitCodes } from './exit-codes.ts';

/** Ends what a command line asked for: the message is told, the code is the process's. */
export class Refusal extends Error {
  readonly code: keyof typeof exitCodes;

  constructor(code: keyof typeof exitCodes, message: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
  }
}
