export const summaries = {
  vagga: 'development environments in rootless containers',
  lithos: 'production containers: tree, check, switch, ps',
  cantal: 'monitoring: values of an application, one scan, the daemon alone',
  verwalter: 'scheduling: check, run, replay and simulate a scheduler; status and actions of a running agent',
  'cantal-agent': 'the daemon of a node that is only watched: scans, history, gossip, HTTP',
  agent: 'the daemon of a node: cantal and verwalter, gossip, HTTP, web UI',
  doctor: 'what this kernel and user can do, and what follows from it',
} as const;

export type CommandName = keyof typeof summaries;

export const commandNames = Object.keys(summaries) as readonly CommandName[];

export function isCommandName(word: string): word is CommandName {
  return Object.hasOwn(summaries, word);
}
