import { countMoves, type Move, type MoveCounts } from './diff.ts';

/** Moves as a table for a terminal, one line each; empty where there are none. */
export const moveTable = (moves: readonly Move[], indent = ''): string => {
  const rows = moves.map((move) => [
    move.kind,
    move.daemon === null ? move.role : `${move.role}/${move.daemon}`,
    move.fromNode === undefined ? move.node : `${move.fromNode} → ${move.node}`,
    move.daemon === null ? '' : `${move.before} → ${move.after}`,
    move.why ?? '',
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => `${indent}${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
};

export const countsText = (counts: MoveCounts): string => {
  const parts = (['started', 'stopped', 'moved', 'changed'] as const)
    .filter((kind) => counts[kind] > 0)
    .map((kind) => `${counts[kind]} ${kind}`);
  return parts.length === 0 ? 'nothing moves' : parts.join(', ');
};

export const movesSummary = (moves: readonly Move[]): string => countsText(countMoves(moves));
