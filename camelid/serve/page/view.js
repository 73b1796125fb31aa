// The turns of a conversation as elements. A view reads the data; it never changes it.

import { button, find, make } from "./dom.js";
import { cut, forget, Painter, renderInSight } from "./paint.js";
import { figuresOf, isBallot, isHidden, nameOf } from "./talk.js";

/** One question. */
export class QuestionView {
  constructor(turn) {
    this.turn = turn;
    this.text = make("div", { class: "text" }, turn.text);
    this.tools = make("div", { class: "tools" }, button("edit", "Edit"), button("copy", "Copy"));
    this.element = make(
      "li",
      { class: "turn question", "data-id": turn.id },
      make("h3", { class: "unseen" }, "You asked"),
      this.text,
      this.tools,
    );
  }

  /** Put an editor in the question's place; `numLater` turns would be replaced. */
  edit(numLater) {
    const box = make("textarea", { rows: "3", "aria-label": "Edit your question" });
    box.value = this.turn.text;
    const note =
      numLater > 1
        ? make("p", { class: "small" }, `What follows this question (${numLater} turns) will be replaced.`)
        : null;
    const buttons = make(
      "div",
      { class: "buttons" },
      button("save", "Ask again", { class: "strong" }),
      button("cancel", "Cancel"),
    );
    this.editor = make("div", { class: "editor" }, box, note, buttons);
    this.text.hidden = this.tools.hidden = true;
    this.element.append(this.editor);
    box.focus();
  }

  get edited() {
    return find("textarea", this.editor).value.trim();
  }

  stopEditing() {
    this.editor?.remove();
    this.text.hidden = this.tools.hidden = false;
    find('[data-act="edit"]', this.tools).focus();
  }
}

/** One reply: who said it and why, what, and how fast. */
class ReplyView {
  constructor(turn, place, settings) {
    Object.assign(this, { turn, place, settings, reply: turn.replies[place] });
    this.name = make("h3", { class: "name" });
    this.why = make("span", { class: "why" });
    this.text = make("div", { class: "text" });
    this.figures = make("p", { class: "figures" });
    this.tools = make("div", { class: "tools" });
    const head = make("header", {}, this.name, this.why);
    this.element = make("article", { "data-place": place }, head, this.text, this.figures, this.tools);
    this.write();
    this.refresh();
  }

  /** Hidden answers are shown when both are whole: their pace would tell who is who. */
  get isVeiled() {
    return isHidden(this.turn) && this.turn.replies.some((reply) => reply.state === "running");
  }

  /** Write the text that there is. */
  write() {
    forget(this.text);
    this.painter?.retire();
    this.painter = new Painter(this.text);
    if (this.isVeiled) return;
    const spans = this.settings.drafted ? this.reply.spans : [];
    for (const [part, drafted] of cut(this.reply.text, spans)) this.painter.push(part, drafted);
    this.painter.flush();
    if (this.reply.state !== "running" && !this.settings.drafted) renderInSight(this.text, this.reply.text);
  }

  /** Add what came. */
  push(text, spans) {
    if (this.isVeiled) return;
    for (const [part, drafted] of cut(text, this.settings.drafted ? spans : []))
      this.painter.push(part, drafted);
  }

  /** Show all but the text anew. */
  refresh() {
    const { reply, turn } = this;
    const hidden = isHidden(turn);
    const role = ["llama", "alpaca"].includes(reply.model) && !hidden ? reply.model : "neither";
    this.element.className = `reply ${role} ${reply.state}`;
    this.element.setAttribute("aria-busy", String(reply.state === "running"));
    this.name.textContent = hidden ? `Answer ${"AB"[this.place]}` : nameOf(reply);
    this.why.textContent = hidden ? "" : this.#sayWhy();
    this.figures.textContent = hidden ? "" : reply.state === "running" ? "" : figuresOf(reply);
    this.tools.replaceChildren(...this.#makeTools());
  }

  #sayWhy() {
    const { reply } = this;
    const via = { auto: "chosen by the router", blend: `the dial is at ${reply.dial ?? 0}` }[reply.asked];
    return (reply.model && (reply.about?.reason || via)) || "";
  }

  #makeTools() {
    const { reply, turn } = this;
    if (reply.state === "running") return [make("span", { class: "writing" }, "writing")];
    const tools = [];
    if (reply.error) tools.push(make("p", { class: "error" }, reply.error));
    if (reply.code === "context_length_exceeded")
      tools.push(button("alone", "Ask without the earlier turns"));
    if (reply.text) tools.push(button("copy", "Copy"));
    if (turn.replies.length === 1 || this.place === turn.replies.length - 1)
      tools.push(button("retry", "Retry", { class: "quiet retry" }));
    if (turn.replies.length > 1 && reply.text && !isHidden(turn)) {
      const isKept = turn.kept === this.place;
      tools.push(
        isKept
          ? make("span", { class: "kept" }, "goes on from here")
          : button("keep", "Go on from this answer"),
      );
    }
    return tools;
  }
}

/** One answer, or two side by side with a vote under them. */
export class AnswerView {
  constructor(turn, settings) {
    this.turn = turn;
    this.replies = turn.replies.map((_, place) => new ReplyView(turn, place, settings));
    const side = make(
      "div",
      { class: `replies${turn.replies.length > 1 ? " two" : ""}` },
      ...this.replies.map((view) => view.element),
    );
    this.vote = make("fieldset", { class: "vote", hidden: true });
    this.element = make("li", { class: "turn answer", "data-id": turn.id }, side);
    if (turn.replies.length > 1) this.element.append(this.vote);
    this.refresh();
  }

  refresh() {
    for (const view of this.replies) view.refresh();
    const { turn } = this;
    this.vote.hidden = !isBallot(turn);
    if (isBallot(turn)) this.#showVote();
  }

  /** Show the texts anew as well: names are revealed, or the settings have changed. */
  rewrite() {
    for (const view of this.replies) view.write();
    this.refresh();
  }

  #showVote() {
    const { turn } = this;
    const names = turn.replies.map((reply, place) => (isHidden(turn) ? "AB"[place] : nameOf(reply)));
    const roles = turn.replies.map((reply) => (isHidden(turn) ? "" : (reply.model ?? "")));
    const choices = [
      ["left", names[0], roles[0]],
      ["right", names[1], roles[1]],
      ["tie", "Tie", ""],
      ["bad", "Both bad", ""],
    ];
    const focused = document.activeElement?.dataset?.choice;
    this.vote.replaceChildren(
      make("legend", {}, "Which is better?"),
      ...choices.map(([choice, name, role]) =>
        button("vote", name, {
          class: `quiet ${role}`,
          "data-choice": choice,
          "aria-pressed": String(turn.vote === choice),
        }),
      ),
      make("span", { class: "small" }, turn.voteNote ?? ""),
    );
    if (focused && this.vote.contains(document.activeElement) === false)
      find(`[data-choice="${focused}"]`, this.vote)?.focus();
  }
}
