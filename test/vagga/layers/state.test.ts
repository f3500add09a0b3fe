import { expect, it } from 'vitest';
import { type BuildJob, type BuildState, initialState } from '../../../src/vagga/build/job.ts';
import { packState, unpackState } from '../../../src/vagga/layers/state.ts';

const jobIn = (project: string, built: string): BuildJob =>
  ({
    ...{ root: `${project}/.vagga/.roots/.tmp.x/root`, project, cache: '/shared/cache' },
    built: new Map([['tools', built]]),
  }) as unknown as BuildJob;

const first = jobIn('/home/one', '/home/one/.vagga/.roots/tools.11111111');
const second = jobIn('/home/two', '/home/two/.vagga/.roots/tools.22222222');
const state: BuildState = {
  ...initialState,
  env: new Map([['A', 'b']]),
  atEnd: [{ kind: 'remove', path: '/data' }],
  binds: new Map([
    ['/var/cache', { source: '/shared/cache/things', readonly: false }],
    ['/tools', { source: '/home/one/.vagga/.roots/tools.11111111/root/usr', readonly: true }],
  ]),
};

it('what a step leaves holds in another project that shares its layer', () => {
  const packed = packState(first, state);
  expect(unpackState(second, packed ?? '')).toEqual({
    ...state,
    binds: new Map([
      ['/var/cache', { source: '/shared/cache/things', readonly: false }],
      ['/tools', { source: '/home/two/.vagga/.roots/tools.22222222/root/usr', readonly: true }],
    ]),
  });
});

it('what speaks of one project’s own paths is not kept', () => {
  const bound = new Map([['/x', { source: '/home/one/src', readonly: true }]]);
  expect(packState(first, { ...state, binds: bound })).toBeNull();
  expect(packState(first, { ...state, env: new Map([['HERE', '/home/one/src']]) })).toBeNull();
});

it('what mounts a container is of no use where that is not built', () => {
  const packed = packState(first, state);
  expect(unpackState({ ...second, built: new Map() }, packed ?? '')).toBeNull();
});
