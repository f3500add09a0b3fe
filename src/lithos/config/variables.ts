import type { NumberRange } from '../../config/ids.ts';
import { inRanges } from './common.ts';
import type { VariableType } from './container.ts';

/** What the containers of one process are told; the values of `lithos:…` come beside it. */
export type Variables = ReadonlyMap<string, string>;

const dottedPart = /^(?!-)[0-9a-zA-Z_-]+(?<!-)$/;

/** Why a value is none of its type (lithos 2.5); null where it is one. `ports` null: any port, of a network of its own. */
export function variableProblem(
  type: VariableType,
  value: string,
  ports: readonly NumberRange[] | null,
): string | null {
  const told = JSON.stringify(value);
  switch (type.tag) {
    case 'TcpPort': {
      const port = /^[1-9]\d{0,4}$/.test(value) ? Number(value) : 0;
      if (port < 1 || port > 65_535) return `${told}; expected a TCP port from 1 to 65535`;
      return ports === null || inRanges(ports, port)
        ? null
        : `Port ${port} is not allowed; see allow-tcp-ports of the sandbox`;
    }
    case 'Choice':
      return type.value.includes(value) ? null : `${told}; expected one of ${type.value.join(', ')}`;
    case 'Name':
      return /^[0-9a-zA-Z_-]+$/.test(value) ? null : `${told}; expected a name of letters, digits, _ and -`;
    case 'DottedName':
      return value.split('.').every((part) => dottedPart.test(part))
        ? null
        : `${told}; expected names of letters, digits, _ and -, joined by dots`;
    default:
      return type satisfies never;
  }
}

export interface Substituted {
  readonly text: string;
  /** Names that mean nothing, in the order of the text. */
  readonly unknown: readonly string[];
}

/** Puts values in place of `@{name}`; an unclosed `@{` stays as it is. */
export function substitute(text: string, values: Variables): Substituted {
  const unknown: string[] = [];
  let result = '';
  let done = 0;
  for (;;) {
    const start = text.indexOf('@{', done);
    const end = start === -1 ? -1 : text.indexOf('}', start);
    if (end === -1) return { text: result + text.slice(done), unknown };
    const name = text.slice(start + 2, end).trim();
    const value = values.get(name);
    if (value === undefined) unknown.push(name);
    result += text.slice(done, start) + (value ?? text.slice(start, end + 1));
    done = end + 1;
  }
}
