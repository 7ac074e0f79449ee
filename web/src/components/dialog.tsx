// The browser's own modal dialog: focus trap, Escape and inertness come with it.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  /** From the side, full height, for reading beside the page. */
  drawer?: boolean;
}

export function Dialog({ title, onClose, children, drawer }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    element.current!.showModal();
    return () => opener?.isConnected && opener.focus();
  }, []);
  return (
    <dialog
      ref={element}
      class={drawer ? "drawer" : undefined}
      aria-labelledby={heading}
      onClose={onClose}
      onClick={(event) => event.target === element.current && onClose()}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="quiet icon" aria-label="Close" onClick={onClose}>✕</button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** The verb on the button: what will happen. */
  verb: string;
  children: ComponentChildren;
  onConfirm(): void;
  onClose(): void;
}

export function Confirm({ title, verb, children, onConfirm, onClose }: ConfirmProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      <div class="actions">
        <button type="button" autofocus onClick={onClose}>Keep it</button>
        <button type="button" class="danger" onClick={() => (onClose(), onConfirm())}>{verb}</button>
      </div>
    </Dialog>
  );
}
