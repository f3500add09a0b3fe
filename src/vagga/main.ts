import { vagga } from './commands.ts';

// What bin/vagga starts where the fast path does not do (see scripts/vagga-start.cjs).
void vagga(process.argv.slice(2));
