import { absolutePath, checked } from './schema.ts';

/** Absolute, without `..`; repeated and closing slashes are gone. */
export const plainAbsolutePath = checked(absolutePath, (value) =>
  value.split('/').includes('..') ? { problem: `${value}: .. is refused` } : { value: normalPath(value) },
);

export function normalPath(path: string): string {
  return `/${path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/')}`;
}

/** Whether `path` is `top` or lies below it, by whole components; both normal. */
export const isBelow = (path: string, top: string): boolean =>
  top === '/' || path === top || path.startsWith(`${top}/`);
