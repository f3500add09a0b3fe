const storageKey = 'stellwerk-token';

/**
 * Takes the token from "#token=…" into this tab's session storage and out of the address bar, where it would be
 * seen over a shoulder, bookmarked or sent on. Null where there is none: the page then only shows.
 */
export function takeToken(): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    remember(given);
    history.replaceState(null, '', location.pathname + location.search);
    return given;
  }
  return recall();
}

// A browser may refuse storage altogether; the token then lasts until the page is reloaded.
function remember(token: string): void {
  try {
    sessionStorage.setItem(storageKey, token);
  } catch {}
}

function recall(): string | null {
  try {
    return sessionStorage.getItem(storageKey);
  } catch {
    return null;
  }
}
