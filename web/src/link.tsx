import type { ComponentChildren } from 'preact';
import { go } from './place.ts';

interface Props {
  readonly href: string;
  readonly current?: boolean;
  /** One of several, as a switch has them. */
  readonly chosen?: boolean;
  readonly class?: string;
  readonly children: ComponentChildren;
}

/** A link within the page; with a modifier key or the middle button it is an ordinary one. */
export function Link({ href, current, chosen, class: style, children }: Props) {
  return (
    <a
      href={href}
      class={style}
      aria-current={current ? 'page' : chosen ? 'true' : undefined}
      onClick={(event) => {
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        go(href);
      }}
    >
      {children}
    </a>
  );
}
