/** Neighbours of one domain beside each other: by the last part of the name first. */
export function sortByDomain<T extends { readonly hostname: string }>(hosts: readonly T[]): T[] {
  return hosts
    .map((host) => ({ host, domain: host.hostname.split('.').reverse().join('.') }))
    .sort((a, b) => (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0))
    .map(({ host }) => host);
}
