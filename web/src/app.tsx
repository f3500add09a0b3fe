import { useEffect } from 'preact/hooks';
import { CgroupsPage } from './cantal/cgroups-page.tsx';
import { HostPage } from './cantal/host-page.tsx';
import { MetricsPage } from './cantal/metrics-page.tsx';
import { NetworkPage } from './cantal/network-page.tsx';
import { PeersPage } from './cantal/peers-page.tsx';
import { ProcessesPage } from './cantal/processes-page.tsx';
import { RemoteContainersPage } from './cantal/remote-containers-page.tsx';
import { RemoteHostsPage } from './cantal/remote-hosts-page.tsx';
import { StatesPage } from './cantal/states-page.tsx';
import { ClusterPage } from './cluster-page.tsx';
import { Menu } from './menu.tsx';
import { type Place, usePlace } from './place.ts';

export function App({ token }: { token: string | null }) {
  const place = usePlace();
  useEffect(() => {
    document.title = place.path === '/' ? 'Stellwerk' : `${place.path.split('/').at(-1)} · Stellwerk`;
  }, [place.path]);
  return (
    <>
      <Menu path={place.path} />
      <Page place={place} token={token} />
    </>
  );
}

function Page({ place, token }: { place: Place; token: string | null }) {
  switch (place.path) {
    case '/local/status':
      return <HostPage place={place} />;
    case '/local/processes':
      return <ProcessesPage place={place} />;
    case '/local/cgroups':
      return <CgroupsPage place={place} />;
    case '/local/states':
      return <StatesPage />;
    case '/local/network':
      return <NetworkPage place={place} />;
    case '/local/metrics':
      return <MetricsPage place={place} />;
    case '/peers':
      return <PeersPage />;
    case '/remote/hosts':
      return <RemoteHostsPage place={place} />;
    case '/remote/containers':
      return <RemoteContainersPage place={place} />;
    default:
      return <ClusterPage token={token} />;
  }
}
