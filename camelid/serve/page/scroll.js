// Keeping the newest answer in sight, until somebody reads back.

import { find } from "./dom.js";
import { afterPaint } from "./paint.js";

let follows = true;

/** Go to the end, and stay there. */
export function follow() {
  follows = true;
  stay();
}

/** Stay at the end, if that is where the reader is. */
export function stay() {
  const scroller = find("#scroller");
  if (follows) scroller.scrollTop = scroller.scrollHeight;
}

export function startScrolling() {
  const scroller = find("#scroller");
  const leave = () => (follows = false);
  const passive = { passive: true };
  scroller.addEventListener("wheel", (event) => event.deltaY < 0 && leave(), passive);
  scroller.addEventListener("touchmove", leave, passive);
  scroller.addEventListener("pointerdown", (event) => event.target === scroller && leave()); // its scroll bar
  scroller.addEventListener(
    "keydown",
    (event) => ["PageUp", "ArrowUp", "Home"].includes(event.key) && leave(),
  );
  scroller.addEventListener("focusin", leave);
  scroller.addEventListener(
    "scroll",
    () => {
      const below = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
      if (below < 4) follows = true;
      find("#to-newest").hidden = follows || below < 48;
    },
    passive,
  );
  find("#to-newest").onclick = follow;
  afterPaint(stay);
  // Turns out of sight have a height that is only guessed until they are drawn.
  new ResizeObserver(stay).observe(find("#turns"));
}
