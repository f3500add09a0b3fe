import { containerAddon } from '../native/container.ts';

/** Kernel features by probe, not by version, each with what follows where it is missing. */
export function doctor(args: readonly string[]): void {
  const asJson = args.includes('--json');
  const unknown = args.filter((word) => word !== '--json');
  if (unknown.length > 0) {
    const wantsHelp = unknown.every((word) => word === '--help' || word === '-h');
    (wantsHelp ? process.stdout : process.stderr).write('usage: stellwerk doctor [--json]\n');
    process.exitCode = wantsHelp ? 0 : 2;
    return;
  }
  const features = containerAddon().probe();
  if (asJson) {
    process.stdout.write(`${JSON.stringify(features, null, 2)}\n`);
    return;
  }
  for (const { feature, available, detail } of features) {
    process.stdout.write(`${available ? 'yes' : 'no '}  ${feature.padEnd(22)}${detail}\n`);
  }
}
