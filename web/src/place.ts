import { useEffect, useState } from 'preact/hooks';

/** Where the page is: all that it shows can be linked to. */
export interface Place {
  readonly path: string;
  readonly params: URLSearchParams;
}

const here = (): Place => ({ path: location.pathname, params: new URLSearchParams(location.search) });
const changed = 'stellwerk-place';

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const follow = () => setPlace(here());
    addEventListener('popstate', follow);
    addEventListener(changed, follow);
    return () => {
      removeEventListener('popstate', follow);
      removeEventListener(changed, follow);
    };
  }, []);
  return place;
}

export function go(href: string): void {
  history.pushState(null, '', href);
  dispatchEvent(new Event(changed));
}

/** As `go`, and going back does not lead here. */
export function replace(href: string): void {
  history.replaceState(null, '', href);
  dispatchEvent(new Event(changed));
}

/** Null takes a parameter away. What a person types must not fill the history: it replaces. */
export function setParams(changes: Readonly<Record<string, string | null>>): void {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === '') params.delete(name);
    else params.set(name, value);
  }
  const query = params.toString();
  replace(location.pathname + (query === '' ? '' : `?${query}`));
}
