import { Link } from './link.tsx';

const pages = [
  { path: '/', title: 'Cluster' },
  { path: '/local/status', title: 'Host' },
  { path: '/local/processes', title: 'Processes' },
  { path: '/local/cgroups', title: 'Cgroups' },
  { path: '/local/states', title: 'States' },
  { path: '/local/network', title: 'Network' },
  { path: '/local/metrics', title: 'Metrics' },
  { path: '/peers', title: 'Peers' },
  { path: '/remote/hosts', title: 'All hosts' },
  { path: '/remote/containers', title: 'All containers' },
] as const;

export function Menu({ path }: { path: string }) {
  return (
    <nav class="menu" aria-label="Pages">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <ul>
        {pages.map((page) => (
          <li key={page.path}>
            <Link href={page.path} current={page.path === path}>
              {page.title}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
