import { useEffect, useRef } from 'preact/hooks';
import { SideBar } from './cantal/side-bar.tsx';
import { StatusContext, useStatusPoll } from './cantal/status.ts';
import { lazyPage } from './lazy-page.tsx';
import { Link } from './link.tsx';
import { titleOf } from './menu.tsx';
import { usePlace } from './place.ts';

const pages: Readonly<Record<string, ReturnType<typeof lazyPage>>> = {
  '/': lazyPage(async () => (await import('./cluster-page.tsx')).ClusterPage),
  '/local/status': lazyPage(async () => (await import('./cantal/host-page.tsx')).HostPage),
  '/local/processes': lazyPage(async () => (await import('./cantal/processes-page.tsx')).ProcessesPage),
  '/local/process_metrics': lazyPage(async () => (await import('./cantal/process-page.tsx')).ProcessPage),
  '/local/cgroups': lazyPage(async () => (await import('./cantal/cgroups-page.tsx')).CgroupsPage),
  '/local/states': lazyPage(async () => (await import('./cantal/states-page.tsx')).StatesPage),
  '/local/pressure': lazyPage(async () => (await import('./cantal/pressure-page.tsx')).PressurePage),
  '/local/network': lazyPage(async () => (await import('./cantal/network-page.tsx')).NetworkPage),
  '/local/metrics': lazyPage(async () => (await import('./cantal/metrics-page.tsx')).MetricsPage),
  '/local/peers': lazyPage(async () => (await import('./cantal/peers-page.tsx')).PeersPage),
  '/remote/grid': lazyPage(async () => (await import('./cantal/remote-grid-page.tsx')).RemoteGridPage),
  '/remote/containers': lazyPage(
    async () => (await import('./cantal/remote-containers-page.tsx')).RemoteContainersPage,
  ),
  '/remote/list': lazyPage(async () => (await import('./cantal/remote-list-page.tsx')).RemoteListPage),
  '/remote/enable': lazyPage(async () => (await import('./cantal/remote-enable-page.tsx')).RemoteEnablePage),
};

export function App({ token }: { token: string | null }) {
  const place = usePlace();
  const status = useStatusPoll();
  const content = useRef<HTMLDivElement>(null);
  const shown = useRef(place.path);
  useEffect(() => {
    const title = titleOf(place.path);
    document.title = title === null ? 'Stellwerk' : `${title} · Stellwerk`;
    // Who followed a link in the menu wants to be in the page that it led to.
    if (shown.current !== place.path) content.current?.focus();
    shown.current = place.path;
  }, [place.path]);
  const Page = Object.hasOwn(pages, place.path) ? pages[place.path] : undefined;
  return (
    <StatusContext.Provider value={status}>
      <a class="skip" href="#content">
        Skip the menu
      </a>
      <SideBar path={place.path} />
      <div class="page" id="content" tabIndex={-1} ref={content}>
        {Page === undefined ? <NoSuchPage path={place.path} /> : <Page key={place.path} place={place} token={token} />}
      </div>
    </StatusContext.Provider>
  );
}

function NoSuchPage({ path }: { path: string }) {
  return (
    <main class="empty">
      <h1>There is no page {path}</h1>
      <p>
        <Link href="/">To the cluster</Link> or <Link href="/local/status">to this host</Link>
      </p>
    </main>
  );
}
