import { json, type Route } from '../../http/route.ts';
import type { Sinks } from './sinks.ts';

export function sinkRoutes(sinks: Pick<Sinks, 'status'>): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/sinks',
      access: 'read',
      summary: 'Receivers that are pushed to: what waits, was sent, refused and dropped, the last error',
      handle: () => json({ sinks: sinks.status() }),
    },
    {
      method: 'GET',
      path: '/v1/carbon',
      access: 'read',
      summary: 'Graphite’s among them: connected, lines queued, sent and dropped, the last error',
      handle: () => json({ sinks: sinks.status().filter(({ kind }) => kind === 'carbon') }),
    },
  ];
}
