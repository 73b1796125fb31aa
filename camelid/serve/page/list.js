// The list of conversations: open, rename, delete.

import { button, find, make } from "./dom.js";
import { titleOf } from "./talk.js";

/** Ask whether to delete; resolves to true or false. */
function confirmDeletion(title) {
  const dialog = find("#confirm-dialog");
  find("#confirm-title").textContent = `Delete “${title}”?`;
  find("#confirm-text").textContent = "It is kept nowhere else. Export it first if you may want it again.";
  return new Promise((resolve) => {
    let answer = false;
    find("#confirm-form").onsubmit = (event) => {
      event.preventDefault();
      answer = true;
      dialog.close();
    };
    find("#confirm-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
  });
}

export class ConversationList {
  #heads = [];
  #current = null;

  /** on: { open(id), rename(id, title), remove(id) } */
  constructor(on) {
    this.on = on;
    this.element = find("#conversations");
    this.element.addEventListener("click", (event) => this.#act(event));
  }

  show(heads, current) {
    this.#heads = heads;
    this.#current = current;
    if (this.element.contains(document.activeElement) && document.activeElement.matches("input")) return; // renaming
    this.element.replaceChildren(...heads.map((head) => this.#item(head)));
  }

  #item(head) {
    const title = titleOf({ turns: [], ...head });
    const open = button("open", title, {
      class: "title",
      "aria-current": head.id === this.#current ? "true" : null,
    });
    const tools = [
      button("rename", "Rename", { "aria-label": `Rename ${title}` }),
      button("remove", "Delete", { "aria-label": `Delete ${title}` }),
    ];
    return make("li", { "data-id": head.id }, open, make("span", { class: "tools" }, ...tools));
  }

  async #act(event) {
    const act = event.target.closest("[data-act]")?.dataset.act;
    const item = event.target.closest("li");
    const head = this.#heads.find(({ id }) => id === item?.dataset.id);
    if (!head) return;
    if (act === "open") this.on.open(head.id);
    if (act === "rename") this.#rename(item, head);
    if (act === "remove" && (await confirmDeletion(titleOf({ turns: [], ...head })))) {
      await this.on.remove(head.id);
      find("#new-conversation").focus();
    }
  }

  #rename(item, head) {
    const box = make("input", { "aria-label": "New name", maxlength: "120" });
    box.value = titleOf({ turns: [], ...head });
    item.replaceChildren(box);
    box.focus();
    box.select();
    const done = (keep) => {
      box.onblur = box.onkeydown = null;
      const title = box.value.trim();
      box.remove();
      if (keep && title) this.on.rename(head.id, title);
      else this.show(this.#heads, this.#current);
      queueMicrotask(() => find(`li[data-id="${head.id}"] .title`, this.element)?.focus());
    };
    box.onblur = () => done(true);
    box.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") done(true);
      if (event.key === "Escape") done(false);
    };
  }
}
