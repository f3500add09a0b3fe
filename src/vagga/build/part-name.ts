import { randomUUID } from 'node:crypto';

/**
 * The name of a file until it is whole. Not by the process id: builders at work at once are each the same number in a pid
 * namespace of their own.
 */
export const partName = (file: string): string => `${file}.${randomUUID()}.part`;
