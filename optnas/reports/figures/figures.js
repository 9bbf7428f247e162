// Draws every figure in the colours of the page: plotly knows none of prefers-color-scheme.
"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const onDark = JSON.parse(document.getElementById("dark-colours").textContent);
  const recoloured = (value) => {
    if (typeof value === "string") return onDark[value] ?? value;
    if (Array.isArray(value)) return value.map(recoloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, recoloured(each)]));
  };
  const draw = (isDark) => {
    for (const place of document.querySelectorAll(".figure")) {
      const drawn = JSON.parse(place.nextElementSibling.textContent);
      const { data, layout } = isDark ? recoloured(drawn) : drawn;
      const narrow = place.clientWidth < 500;
      const options = { responsive: true, displaylogo: false, showSendToCloud: false, displayModeBar: narrow ? false : "hover" };
      Plotly.react(place, data, { ...layout, autosize: true }, options);
    }
  };
  draw(dark.matches);
  dark.addEventListener("change", (event) => draw(event.matches));
  window.addEventListener("beforeprint", () => draw(false));
  window.addEventListener("afterprint", () => draw(dark.matches));
})();
