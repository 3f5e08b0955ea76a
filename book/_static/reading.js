// What is wider than its frame scrolls sideways; here it can be scrolled with the keyboard as well.
(function () {
  "use strict";

  const FRAMES = "mjx-container, .bd-article table, .bd-article pre, .bd-article div.math";
  const FRAMES_TOO = ".bd-article .pst-scrollable-table-container, .bd-article .cell_output," +
    " .bd-article [style*='overflow']";

  function scrolls(frame) {
    const style = getComputedStyle(frame);
    return (
      (["auto", "scroll"].includes(style.overflowX) && frame.scrollWidth > frame.clientWidth) ||
      (["auto", "scroll"].includes(style.overflowY) && frame.scrollHeight > frame.clientHeight)
    );
  }

  function mark() {
    for (const frame of document.querySelectorAll(`${FRAMES}, ${FRAMES_TOO}`)) {
      if (scrolls(frame)) {
        frame.tabIndex = 0;
      } else if (frame.tabIndex === 0) {
        frame.removeAttribute("tabindex");
      }
    }
  }

  async function start() {
    await (window.MathJax && MathJax.startup && MathJax.startup.promise);
    mark();
    new ResizeObserver(mark).observe(document.querySelector(".bd-article") || document.body);
    document.documentElement.dataset.reading = "ready"; // for tests
  }

  addEventListener("load", start);
})();
