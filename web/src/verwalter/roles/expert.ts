import { store } from './store.ts';

const storageKey = 'stellwerk-expert';

/** Whether the page offers what is rarely needed and easily wrong. Remembered by the browser. */
const expert = store(remembered());

function remembered(): boolean {
  try {
    return localStorage.getItem(storageKey) === 'yes';
  } catch {
    return false;
  }
}

export const useExpert = (): boolean => expert.use();

export function setExpert(on: boolean): void {
  expert.set(on);
  // A browser may refuse storage; the switch then lasts until the page is reloaded.
  try {
    localStorage.setItem(storageKey, on ? 'yes' : 'no');
  } catch {}
}
