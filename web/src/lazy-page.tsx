import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Place } from './place.ts';

export interface PageProps {
  readonly place: Place;
  /** Allows to change something; null: the page only shows. */
  readonly token: string | null;
}

type Page = ComponentType<PageProps>;
type Loaded =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'page'; readonly page: Page };

/** A page whose code comes when it is first looked at, and stays. */
export function lazyPage(load: () => Promise<Page>): Page {
  let held: Page | null = null;
  return (props) => {
    const [loaded, setLoaded] = useState<Loaded>(held === null ? { kind: 'loading' } : { kind: 'page', page: held });
    useEffect(() => {
      if (held !== null) return;
      let gone = false;
      load().then(
        (page) => {
          held = page;
          if (!gone) setLoaded({ kind: 'page', page });
        },
        () => {
          if (!gone) setLoaded({ kind: 'failed' });
        },
      );
      return () => {
        gone = true;
      };
    }, []);
    switch (loaded.kind) {
      case 'page':
        return <loaded.page {...props} />;
      case 'loading':
        return <main class="empty" aria-busy="true" />;
      case 'failed':
        return (
          <main class="empty">
            <p role="alert">
              This page’s code could not be loaded: the agent is not reachable, or another version of it runs now.
            </p>
            <p>
              <button type="button" class="action" onClick={() => location.reload()}>
                Load anew
              </button>
            </p>
          </main>
        );
      default:
        return loaded satisfies never;
    }
  };
}
