// Draws the explorable figures of a page, each when it comes near the screen. Until then, without
// scripts and on paper there is a still picture in its place. Vega, three times as heavy as the page,
// is loaded for the first figure.
(function () {
  "use strict";

  const NEAR = "1200px"; // so far below the screen a figure is made ready
  const BUNDLE = new URL("vega-bundle.js", document.currentScript.src);
  const OPTIONS = {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // formulas are interpreted: the policy of the pages forbids to compile texts
    defaultStyle: false,
  };

  let bundle = null;
  function loadBundle() {
    bundle ||= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = BUNDLE;
      script.onload = done;
      script.onerror = () => failed(new Error("the charts could not be loaded"));
      document.head.append(script);
    });
    return bundle;
  }

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
  const AXIS = 80; // room for the axis beside a view
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
    await loadBundle();
    const place = figure.querySelector(".explorable-view");
    const spec = JSON.parse(figure.querySelector(".explorable-spec").textContent);
    const chart = document.createElement("div");
    chart.className = "explorable-chart";
    fit(spec, place.clientWidth);
    // Made in view but over nothing: a container of no size would give a chart of no size.
    place.append(chart);
    const result = await window.klrlVegaEmbed(chart, spec, OPTIONS);
    figure.querySelector(".explorable-still").remove();
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

  const near = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          entry.target.__mount();
        }
      }
    },
    { rootMargin: `${NEAR} 0px` },
  );
  for (const figure of document.querySelectorAll("figure.explorable")) {
    figure.__mount = () => {
      figure.__mounted ||= mount(figure).catch((error) => {
        figure.dataset.ready = "failed";
        console.error(error);
      });
      near.unobserve(figure);
    };
    near.observe(figure);
  }
})();
