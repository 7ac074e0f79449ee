// preact/compat has a memo too, with a React's worth of other things behind it.

import { Component, h, type FunctionComponent } from "preact";

export function memo<P extends object>(render: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return Object.keys(next).some((key) => next[key as keyof P] !== (this.props as P)[key as keyof P]);
    }
    override render() {
      return h(render, this.props as P & { children?: never });
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
