import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemblePlots, plotRules } from '../../src/agent/plots.ts';
import type { ByHost } from '../../src/cantal/remote/by-host.ts';

const plots = (byHost: unknown, since = 0, until = 6_000) => assemblePlots(byHost as ByHost['byHost'], since, until);

describe('plots', () => {
  it('add up what each host says of itself, per minute', () => {
    const { timestamps, series } = plots({
      a1: { requests: ['SingleSeries', { node: 'node1' }, ['Float', [3, 2, 1]], [5_100, 3_100, 1_100]] },
      b2: { requests: ['SingleSeries', { node: 'node2' }, ['Float', [30, 20, null]], [4_900, 2_900, 900]] },
    });
    expect(timestamps).toEqual([0, 2_000, 4_000, 6_000]);
    expect(series.requestsPerMinute).toEqual([60, 22 * 60, 33 * 60, 33 * 60]);
  });

  it('do not count a values file twice where several agents share a host', () => {
    const both = [
      [{ node: 'node1', metric: 'processes.quickstart.web.running' }, ['Integer', [4]], [4_000]],
      [{ node: 'node2', metric: 'processes.quickstart.web.running' }, ['Integer', [3]], [4_000]],
      [{ node: 'node2', metric: 'processes.quickstart.work.er.running' }, ['Integer', [1]], [4_000]],
    ];
    const { series } = plots({ a1: { running: ['MultiSeries', both] }, b2: { running: ['MultiSeries', both] } }, 4_000);
    expect(series.instances).toEqual({ web: [7, 7], 'work.er': [1, 1] });
  });

  it('keep the past of a node whose agent has forgotten it, as long as another one saw it', () => {
    const key = { node: 'node2' };
    const { series } = plots({
      a1: { requests: ['SingleSeries', key, ['Float', [3, 2, 1]], [5_100, 3_100, 1_100]] },
      b2: { requests: ['SingleSeries', key, ['Float', [3]], [5_100]] },
    });
    expect(series.requestsPerMinute).toEqual([60, 120, 180, 180]);
  });

  it('are empty, not wrong, where hosts have nothing to say', () => {
    const { series } = plots({ a1: { requests: ['Empty'], running: ['Incompatible', 'CantDerive'] }, unknown: {} });
    expect(series).toEqual({ requestsPerMinute: [null, null, null, null], instances: {} });
  });

  it('survive any answer of a peer', () => {
    const anything = fc.anything({ maxDepth: 5 });
    const dataset = fc.oneof(
      anything,
      fc.tuple(fc.constantFrom('SingleSeries', 'MultiSeries'), anything, anything, anything),
      fc.tuple(fc.constant('MultiSeries'), fc.array(fc.tuple(anything, fc.tuple(anything, anything), anything))),
    );
    fc.assert(
      fc.property(dataset, dataset, (requests, running) => {
        const { timestamps, series } = plots({ a1: { requests, running } });
        expect(series.requestsPerMinute).toHaveLength(timestamps.length);
      }),
    );
  });

  it('ask for the span that is missing and a margin', () => {
    expect(plotRules(10_000).requests).toMatchObject({ extract: ['HistoryByTime', 16_000] });
  });
});
