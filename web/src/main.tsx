import { render } from "preact";
import { App } from "./app";
import { listenForKeys } from "./lib/keyboard";

listenForKeys();
render(<App />, document.getElementById("app")!);
