import { useEffect, useRef } from 'preact/hooks';
import { store } from './store.ts';

interface Question {
  readonly text: string;
  /** On the button that goes on. */
  readonly yes: string;
  readonly danger: boolean;
  readonly answer: (yes: boolean) => void;
}

const question = store<Question | null>(null);

/** Resolves when the person has decided; Escape is a no. */
export function confirmed(text: string, yes: string, danger: boolean): Promise<boolean> {
  question.get()?.answer(false);
  return new Promise((resolve) => {
    question.set({
      ...{ text, yes, danger },
      answer(decided) {
        question.set(null);
        resolve(decided);
      },
    });
  });
}

/** Once on a page: shows what is asked. */
export function ConfirmDialog() {
  const asked = question.use();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked !== null) dialog.current?.showModal();
    else dialog.current?.close();
  }, [asked]);
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-text" onCancel={() => asked?.answer(false)}>
      <p id="confirm-text">{asked?.text}</p>
      <div class="presses">
        <button type="button" class="press" onClick={() => asked?.answer(false)}>
          Cancel
        </button>
        <button
          type="button"
          class={`press ${asked?.danger ? 'danger' : 'primary'}`}
          onClick={() => asked?.answer(true)}
        >
          {asked?.yes}
        </button>
      </div>
    </dialog>
  );
}
