// Where no trial is complete: what became of them, and what to do.

import * as api from "./api.js";
import { el, plain } from "./shown.js";

export class Outcome {
  constructor(node, study) {
    Object.assign(this, { node, study, asked: null });
  }

  // To be called after each look at the server.
  async tell(trials) {
    const none = !trials.kind.includes("complete");
    this.node.hidden = !none;
    document.getElementById("study").classList.toggle("bare", trials.count === 0);
    const state = `${trials.finished} ${trials.count}`;
    if (!none || this.asked === state) return;
    this.asked = state;
    try {
      const { sentences } = await api.outcome(this.study.id);
      this.node.replaceChildren(...sentences.map((said) => el("p", {}, plain(said))));
    } catch (error) {
      this.asked = null;
      if (!(error instanceof api.Away)) console.error(error);
    }
  }
}
