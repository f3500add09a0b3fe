const help = `vagga: development environments in rootless containers

usage: vagga [--help]

This version of Stellwerk carries the container core that vagga will stand on (start in new namespaces, mount plan,
id maps, seccomp), but no vagga command yet: a vagga.yaml is not read.
`;

/** Says what is there, and refuses the rest instead of pretending. */
export function vagga(args: readonly string[]): void {
  if (args.length === 0 || args[0] === '--help' || args[0] === '-h') {
    process.stdout.write(help);
    return;
  }
  process.stderr.write(`vagga: "${args[0]}" is not built yet\n\n${help}`);
  process.exitCode = 2;
}
