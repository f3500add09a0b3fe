import { json, type Route } from '../../http/route.ts';
import type { Carbon } from './carbon.ts';

export function carbonRoutes(carbon: Pick<Carbon, 'status'>): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/carbon',
      access: 'read',
      summary: 'Graphite receivers: connected, lines queued, sent and dropped, the last error',
      handle: () => json({ sinks: carbon.status() }),
    },
  ];
}
