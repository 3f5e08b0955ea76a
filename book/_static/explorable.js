// Draws the explorable figures of a page. Needs the Vega bundle, which is loaded before it.
// `ast: true` has formulas interpreted instead of compiled: nothing in the page needs eval.
(function () {
  "use strict";

  const OPTIONS = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true,
    defaultStyle: false,
  };

  // Vega puts the text of an input beside it; programs that read the page aloud want it on the input.
  function labelInputs(figure) {
    for (const row of figure.querySelectorAll(".vega-bind")) {
      const name = row.querySelector(".vega-bind-name");
      const input = row.querySelector("input, select");
      if (name && input) {
        input.setAttribute("aria-label", name.textContent.trim());
      }
    }
  }

  // Vega-Lite fits a single view to its container, but not views stacked on one another, and it
  // knows nothing of pictures whose shape must be kept (usermeta.aspect = height / width).
  const AXIS = 76; // room for the axis beside a view
  function fit(spec, width) {
    for (const view of spec.vconcat || []) {
      view.width = Math.max(200, Math.min(640, width - AXIS));
    }
    if (spec.usermeta && spec.usermeta.aspect) {
      spec.width = Math.min(460, width - 8);
      spec.height = spec.width * spec.usermeta.aspect;
    }
  }

  async function mount(figure) {
    const place = figure.querySelector(".explorable-view");
    const spec = JSON.parse(figure.querySelector(".explorable-spec").textContent);
    fit(spec, place.clientWidth);
    const result = await window.klrlVegaEmbed(place, spec, OPTIONS);
    labelInputs(figure);
    figure.__view = result.view; // for tests, and for the curious at the console
    figure.dataset.ready = "true";
    // A figure inside a closed fold has no width until the fold is opened.
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth !== width) {
        width = place.clientWidth;
        window.dispatchEvent(new Event("resize"));
      }
    }).observe(place);
  }

  for (const figure of document.querySelectorAll("figure.explorable")) {
    mount(figure).catch((error) => {
      figure.dataset.ready = "failed";
      console.error(error);
    });
  }
})();
