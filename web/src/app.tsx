import { useEffect, useRef } from 'preact/hooks';
import { AnomaliesContext, useAnomaliesPoll } from './cantal/anomalies.ts';
import { NoClusterPage } from './cantal/no-cluster-page.tsx';
import { SideBar } from './cantal/side-bar.tsx';
import { StatusContext, useStatusPoll } from './cantal/status.ts';
import { lazyPage } from './lazy-page.tsx';
import { Link } from './link.tsx';
import { isScheduling, titleOf } from './menu.tsx';
import { type Place, replace, usePlace } from './place.ts';
import { ServedContext, useInCluster, useScheduler, useServedPoll } from './served.ts';

const pages: Readonly<Record<string, ReturnType<typeof lazyPage>>> = {
  '/': lazyPage(async () => (await import('./cluster-page.tsx')).ClusterPage),
  '/roles': lazyPage(async () => (await import('./verwalter/roles/roles-page.tsx')).RolesPage),
  '/role': lazyPage(async () => (await import('./verwalter/roles/role-page.tsx')).RolePage),
  '/services': lazyPage(async () => (await import('./verwalter/roles/services-page.tsx')).ServicesPage),
  '/servers': lazyPage(async () => (await import('./verwalter/roles/servers-page.tsx')).ServersPage),
  '/logs': lazyPage(async () => (await import('./verwalter/logs/logs-page.tsx')).LogsPage),
  '/logs/tail': lazyPage(async () => (await import('./verwalter/logs/tail-page.tsx')).TailPage),
  '/why': lazyPage(async () => (await import('./verwalter/why-page.tsx')).WhyPage),
  '/convergence': lazyPage(async () => (await import('./verwalter/convergence-page.tsx')).ConvergencePage),
  '/diff': lazyPage(async () => (await import('./verwalter/diff-page.tsx')).DiffPage),
  '/election': lazyPage(async () => (await import('./verwalter/election-page.tsx')).ElectionPage),
  '/backups': lazyPage(async () => (await import('./verwalter/backups-page.tsx')).BackupsPage),
  '/api-links': lazyPage(async () => (await import('./verwalter/api-page.tsx')).ApiPage),
  '/verwalter/time-travel': lazyPage(async () => (await import('./verwalter/time-travel-page.tsx')).TimeTravelPage),
  '/verwalter/dry-run': lazyPage(async () => (await import('./verwalter/dry-run-page.tsx')).DryRunPage),
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
  return (
    <StatusContext.Provider value={useStatusPoll()}>
      <ServedContext.Provider value={useServedPoll()}>
        <AnomaliesContext.Provider value={useAnomaliesPoll()}>
          <Pages token={token} />
        </AnomaliesContext.Provider>
      </ServedContext.Provider>
    </StatusContext.Provider>
  );
}

function Pages({ token }: { token: string | null }) {
  const place = usePlace();
  const scheduler = useScheduler();
  const content = useRef<HTMLDivElement>(null);
  const shown = useRef(place.path);
  useEffect(() => {
    // Monitoring alone begins with its host.
    if (isScheduling(place.path) && scheduler === false) return replace('/local/status');
    const title = titleOf(place.path);
    document.title = title === null ? 'Stellwerk' : `${title} · Stellwerk`;
    // Who followed a link in the menu wants to be in the page that it led to.
    if (shown.current !== place.path) content.current?.focus();
    shown.current = place.path;
  }, [place.path, scheduler]);
  return (
    <>
      <a class="skip" href="#content">
        Skip the menu
      </a>
      <SideBar path={place.path} />
      <div class="page" id="content" tabIndex={-1} ref={content}>
        <Content place={place} token={token} />
      </div>
    </>
  );
}

/** The page, as soon as it is known that this agent has what it asks for. */
function Content({ place, token }: { place: Place; token: string | null }) {
  const scheduler = useScheduler();
  const inCluster = useInCluster();
  const Page = Object.hasOwn(pages, place.path) ? pages[place.path] : undefined;
  if (Page === undefined) return <NoSuchPage path={place.path} />;
  const ofOthers = place.path.startsWith('/remote/') || place.path === '/local/peers';
  if (ofOthers && inCluster === false) return <NoClusterPage title={titleOf(place.path) ?? ''} />;
  const there = isScheduling(place.path) ? scheduler === true : !ofOthers || inCluster === true;
  return there ? <Page key={place.path} place={place} token={token} /> : <main class="empty" aria-busy="true" />;
}

function NoSuchPage({ path }: { path: string }) {
  return (
    <main class="empty">
      <h1>There is no page {path}</h1>
      <p>
        <Link href="/">To the start</Link> or <Link href="/local/status">to this host</Link>
      </p>
    </main>
  );
}
